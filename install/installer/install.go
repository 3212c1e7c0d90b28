package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/server/sx"
)

// InstallOptions say how to install.
type InstallOptions struct {
	InstallRequest
	Wait    bool          // until all workloads are ready
	Timeout time.Duration // of that waiting
}

// Install installs or upgrades, whichever it is, and gives the new revision.
// Running it again after it was cut off goes on from there. Its error is a
// *watch.Problem when a workload does not become ready, else mostly an *sx.Error.
func (in *Installer) Install(ctx context.Context, o InstallOptions) (release.Info, error) {
	p, err := in.prepare(ctx, o.InstallRequest)
	if err != nil {
		return release.Info{}, err
	}
	if err := in.createNamespace(ctx); err != nil {
		return release.Info{}, err
	}
	var info release.Info
	err = in.operation(ctx, func(ctx context.Context) error {
		if p, err = in.current(ctx, p, o.InstallRequest); err != nil {
			return err
		}
		if err := in.ensureSecrets(ctx, p); err != nil {
			return err
		}
		if info, err = in.apply(ctx, p, o.Reset); err != nil {
			return err
		}
		if !o.Wait {
			return nil
		}
		return in.ready(ctx, o.Timeout)
	})
	return info, err
}

// prepare does the steps that change nothing.
func (in *Installer) prepare(ctx context.Context, w InstallRequest) (*plan, error) {
	var p *plan
	err := in.step("render the chart", func() (string, error) {
		var err error
		if p, err = in.plan(ctx, w); err != nil {
			return "", err
		}
		detail := "SoundExtract " + in.Version
		if p.preset != "" {
			detail += ", preset " + p.preset
		}
		if p.last != nil {
			detail += fmt.Sprintf(", over revision %d", p.last.Revision)
		}
		return detail, nil
	})
	if err != nil {
		return nil, err
	}
	return p, in.step("check the cluster", func() (string, error) { return in.preflight(ctx, p) })
}

// preflight puts the checks and reports what they warn of.
func (in *Installer) preflight(ctx context.Context, p *plan) (string, error) {
	env := &check.Env{Cluster: in.Cluster, Release: in.Release, Manifest: p.manifest, Version: in.Version}
	var fatal []error
	passed := 0
	for _, r := range check.Run(ctx, env, check.Preflight(), nil) {
		switch r.Outcome {
		case check.FoundFatal:
			fatal = append(fatal, refusal(r))
		case check.FoundWarning:
			in.warn("%s", r.Message)
		case check.OK:
			passed++
		case check.OutcomeSkipped:
		}
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err := errors.Join(fatal...); err != nil {
		return "", err
	}
	if p.accessErr != nil {
		return "", p.accessErr
	}
	return fmt.Sprintf("%d checks passed", passed), in.checkVolumes(ctx, p.manifest)
}

// refusal is the error of a check that keeps an install from beginning.
func refusal(r check.Result) error {
	code := sx.CodeConflict
	switch r.ID {
	case "api":
		code = sx.CodeUnavailable
	case "permissions":
		code = sx.CodeForbidden
	}
	return sx.NewError(code, "%s", r.Message).WithHint("%s", r.Hint)
}

// current plans anew when another operation has changed the release since, or
// ended one that was cut off.
func (in *Installer) current(ctx context.Context, p *plan, w InstallRequest) (*plan, error) {
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return nil, err
	}
	if (last == nil) == (p.last == nil) && (last == nil || last.Revision == p.last.Revision) {
		return p, nil
	}
	return in.plan(ctx, w)
}

func (in *Installer) ensureSecrets(ctx context.Context, p *plan) error {
	return in.step("keep the secrets", func() (string, error) {
		made, err := in.secrets().Ensure(ctx, p.parts())
		if err != nil {
			return "", in.Cluster.WrapError(err)
		}
		revision, err := in.secrets().Revision(ctx)
		if err != nil {
			return "", in.Cluster.WrapError(err)
		}
		values.WithSecrets(p.values, revision)
		if len(made) == 0 {
			return "all are there", nil
		}
		return "made " + strings.Join(made, ", "), nil
	})
}

func (in *Installer) apply(ctx context.Context, p *plan, reset bool) (release.Info, error) {
	name := "install"
	if p.last != nil {
		name = "upgrade"
	}
	var info release.Info
	err := in.step(name+" the release "+in.Release, func() (string, error) {
		c, err := chart.Load(in.Version)
		if err != nil {
			return "", err
		}
		info, err = in.Runner.Apply(ctx, release.Spec{Chart: c, Values: copied(p.values), Reset: reset})
		return fmt.Sprintf("revision %d", info.Revision), err
	})
	return info, err
}
