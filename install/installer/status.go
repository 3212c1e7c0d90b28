package installer

import (
	"context"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/watch"
)

// Status is the state of an installation.
type Status struct {
	Release  release.Info    `json:"release"`
	Ready    bool            `json:"ready"` // all workloads are ready
	Rows     []watch.Row     `json:"workloads"`
	Problems []watch.Problem `json:"problems"` // the most significant first
}

// Status returns the state of the release and its workloads. If it is not installed,
// the error is an *sx.Error of code not_found.
func (in *Installer) Status(ctx context.Context) (Status, error) {
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return Status{}, err
	}
	if last == nil {
		return Status{}, in.NotInstalled()
	}
	s := Status{Release: *last, Problems: []watch.Problem{}}
	rows, problems, err := watch.Status(ctx, in.Cluster, in.Release)
	if err != nil {
		return s, in.Cluster.WrapError(err)
	}
	s.Rows, s.Ready = rows, len(rows) > 0
	for _, r := range rows {
		s.Ready = s.Ready && r.State == watch.StateReady
	}
	s.Problems = append(s.Problems, problems...)
	return s, nil
}
