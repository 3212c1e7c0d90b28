package installer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/server/sx"
)

// InstallOptions are those of an install.
type InstallOptions struct {
	InstallRequest
	Wait    bool          // wait until all workloads are ready
	Timeout time.Duration // of Wait
	// RollbackOnFailure rolls back to the newest revision that worked if the new one
	// cannot be applied or does not become ready.
	RollbackOnFailure bool
}

// Install installs or upgrades the release and returns the new revision. After an
// interruption it can be run again and continues. If a workload does not become
// ready, the error is a *watch.Problem, otherwise usually an *sx.Error.
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
		if err := in.storeSecrets(ctx, p); err != nil {
			return err
		}
		err = in.takeSteps(ctx, p.upgrades, o.Timeout)
		if err == nil {
			info, err = in.apply(ctx, p)
		}
		if err == nil && o.Wait {
			err = in.revisionReady(ctx, o.Timeout)
		}
		if err != nil {
			return in.failed(ctx, p, o, err)
		}
		if err := in.keepValues(ctx, info); err != nil || !o.Wait {
			return err
		}
		return in.raiseAll(ctx, p.upgrades)
	})
	return info, err
}

// failed suggests a revision to roll back to, or rolls back to it. cause is why the
// install failed, perhaps before it created a revision.
func (in *Installer) failed(ctx context.Context, p *plan, o InstallOptions, cause error) error {
	if ctx.Err() != nil {
		return cause
	}
	if p.good == nil {
		if o.RollbackOnFailure {
			in.warn("there is no earlier revision to roll back to")
		}
		return cause
	}
	if !o.RollbackOnFailure {
		if last, err := in.Runner.Last(ctx); err != nil || last == nil || last.Revision == p.good.Revision {
			return cause // it is still the current one
		}
		return in.goBack(cause, p.good.Revision)
	}
	err := in.checkRollback(ctx, *p.good)
	if err == nil {
		_, err = in.rollBack(ctx, *p.good, o.Wait, o.Timeout)
	}
	if err != nil {
		return fmt.Errorf("%w; the rollback to revision %d failed too: %w", cause, p.good.Revision, err)
	}
	return fmt.Errorf("%w; rolled back to revision %d", cause, p.good.Revision)
}

// revertible is the error of a failed install after one that worked.
type revertible struct {
	text string
	hint *sx.Error // with the cause
}

func (e *revertible) Error() string { return e.text }

func (e *revertible) Unwrap() error { return e.hint }

// goBack adds to the error of an install that failed how to go back to a revision.
func (in *Installer) goBack(cause error, revision int) error {
	known := sx.AsError(cause)
	hint := fmt.Sprintf("go back to revision %d with: %s", revision, in.Cluster.SX(in.Release, "rollback", strconv.Itoa(revision)))
	if known.Hint != known.Code.Hint() {
		hint = known.Hint + "; or " + hint
	}
	return &revertible{fmt.Sprintf("%v; revision %d worked", cause, revision), known.WithHint("%s", hint).WithCause(cause)}
}

// prepare plans and checks an install; it changes nothing.
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
		if p.restored {
			detail += ", with the values of the installation that was removed"
		}
		return detail, nil
	})
	if err != nil {
		return nil, err
	}
	if len(p.dropped) > 0 {
		in.warn("revision %d failed, so its values are not kept: %s", p.last.Revision, strings.Join(p.dropped, ", "))
	}
	for _, w := range p.warnings {
		in.warn("%s", w)
	}
	if err := in.step("check the cluster", func() (string, error) { return in.preflight(ctx, p) }); err != nil {
		return nil, err
	}
	for _, u := range p.upgrades {
		in.warn("%s", u.describe())
	}
	if err := in.announceSizes(ctx, p.rendered.Manifest); err != nil {
		return nil, err
	}
	return p, in.announceRestarts(ctx, p)
}

// preflight runs the checks and reports their warnings.
func (in *Installer) preflight(ctx context.Context, p *plan) (string, error) {
	env := &check.Env{Cluster: in.Cluster, Release: in.Release, Manifest: p.rendered.All(), Version: in.Version}
	if p.last != nil {
		env.Current = p.last.Manifest
	}
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
	if err := in.refuseManaged(ctx, p.last != nil, "change its values there"); err != nil {
		return "", err
	}
	var err error
	if p.upgrades, err = in.upgrades(ctx, p.rendered.Manifest); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d checks passed", passed), in.checkVolumes(ctx, p.rendered.Manifest, false)
}

// refusal is the error of a fatal check.
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

// current returns the plan if the release and its Secrets have not changed
// since it was checked. If another operation has changed them, it plans and
// checks again.
func (in *Installer) current(ctx context.Context, p *plan, request InstallRequest) (*plan, error) {
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return nil, err
	}
	existing, err := in.secrets().Revision(ctx)
	if err != nil {
		return nil, in.Cluster.WrapError(err)
	}
	sameRelease := (last == nil) == (p.last == nil) && (last == nil || last.Revision == p.last.Revision)
	if sameRelease && existing == p.secrets.Existing {
		return p, nil
	}
	return in.prepare(ctx, request)
}

func (in *Installer) storeSecrets(ctx context.Context, p *plan) error {
	return in.step("store the secrets", func() (string, error) {
		stored, err := in.secrets().Store(ctx, p.secrets)
		if err != nil {
			return "", in.Cluster.WrapError(err)
		}
		if len(stored) == 0 {
			return "all exist", nil
		}
		return "created " + strings.Join(stored, ", "), nil
	})
}

func (in *Installer) apply(ctx context.Context, p *plan) (release.Info, error) {
	name := "install"
	if p.last != nil {
		name = "upgrade"
	}
	if err := in.growVolumes(ctx, p.rendered.Manifest); err != nil {
		return release.Info{}, err
	}
	var info release.Info
	err := in.step(name+" the release "+in.Release, func() (string, error) {
		var err error
		info, err = in.Runner.Apply(ctx, p.rendered)
		return fmt.Sprintf("revision %d", info.Revision), err
	})
	if err != nil {
		return info, err
	}
	return info, in.unblock(ctx)
}
