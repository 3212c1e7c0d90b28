package installer

import (
	"context"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/watch"
)

// Status is how an installation is doing.
type Status struct {
	Release  release.Info    `json:"release"`
	Ready    bool            `json:"ready"` // all workloads are
	Rows     []watch.Row     `json:"workloads"`
	Problems []watch.Problem `json:"problems"` // the most telling first
}

// Status looks at the release and its workloads. Where nothing is installed, that
// is an *sx.Error of code not_found.
func (in *Installer) Status(ctx context.Context) (Status, error) {
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return Status{}, err
	}
	if last == nil {
		return Status{}, in.NotInstalled()
	}
	s := Status{Release: *last, Problems: []watch.Problem{}}
	rows, problems, err := watch.Snapshot(ctx, in.Cluster, in.Release)
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
