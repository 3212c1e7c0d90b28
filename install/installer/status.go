package installer

import (
	"context"
	"slices"
	"sync"

	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/watch"
)

// Status is the state of an installation.
type Status struct {
	Name      string          `json:"name"` // of the release
	Namespace string          `json:"namespace"`
	Context   string          `json:"context,omitempty"` // of the kubeconfig
	Release   release.Info    `json:"release"`
	Ready     bool            `json:"ready"`     // all workloads are ready, and only warnings were found
	Rows      []watch.Row     `json:"workloads"` // in the order in which they depend on each other
	Problems  []watch.Problem `json:"problems"`  // causes first, then their consequences, then warnings
	Volumes   []check.Volume  `json:"volumes"`   // of the parts that are running
}

// Status returns the state of the release and its workloads. If it is not installed,
// the error is an *sx.Error of code not_found.
func (in *Installer) Status(ctx context.Context) (Status, error) {
	last, err := in.Deployed(ctx)
	if err != nil {
		return Status{}, err
	}
	if last == nil {
		return Status{}, in.NotInstalled()
	}
	s := Status{
		Name: in.Release, Namespace: in.Cluster.Namespace, Context: in.Cluster.Context,
		Release: *last, Problems: []watch.Problem{}, Volumes: []check.Volume{},
	}
	env := &check.Env{Cluster: in.Cluster, Release: in.Release, Manifest: last.Manifest, Version: in.Version}
	var reported map[string]string
	var results []check.Result
	var asked sync.WaitGroup
	if in.Cluster.Config != nil { // pods cannot be reached without it
		asked.Go(func() { reported = check.Reported(ctx, env) })
		asked.Go(func() { results = check.Run(ctx, env, check.Status(), nil) })
		asked.Go(func() {
			if all, err := check.Volumes(ctx, env); err == nil {
				s.Volumes = all
			}
		})
	}
	asked.Wait()
	rows, problems, err := watch.Status(ctx, in.Cluster, in.Release, reported)
	if err != nil {
		return s, in.Cluster.WrapError(err)
	}
	s.Rows = rows
	s.Problems = append(s.Problems, problems...)
	s.addResults(in.Release, results)
	s.Ready = len(rows) > 0 && !slices.ContainsFunc(rows, func(r watch.Row) bool { return r.State != watch.StateReady }) &&
		!slices.ContainsFunc(s.Problems, func(p watch.Problem) bool { return !p.Warning })
	return s, nil
}

// addResults adds the problems that checks found: fatal ones before the consequences of
// other problems, and warnings last.
func (s *Status) addResults(name string, results []check.Result) {
	var fatal, warnings []watch.Problem
	for _, r := range results {
		if r.TimedOut && len(s.Problems) > 0 { // probably for the same reason
			continue
		}
		p := watch.Problem{Object: "release/" + name, Reason: r.ID, Message: r.Message, Next: r.Hint}
		switch r.Outcome {
		case check.FoundFatal:
			p.Fatal = true
			fatal = append(fatal, p)
		case check.FoundWarning:
			p.Warning = true
			warnings = append(warnings, p)
		case check.OK, check.OutcomeSkipped:
		}
	}
	i := slices.IndexFunc(s.Problems, func(p watch.Problem) bool { return p.ConsequenceOf != "" })
	if i < 0 {
		i = len(s.Problems)
	}
	s.Problems = append(slices.Insert(s.Problems, i, fatal...), warnings...)
}
