package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/soundextract/sx/install/kube"
)

const (
	// kept is how many revisions one can roll back to.
	kept = 10
	// removal is how long an uninstall waits for the objects to go.
	removal = 5 * time.Minute
)

type helm struct {
	name    string
	cluster *kube.Cluster
	config  *action.Configuration
}

// New works on the release of the name in the cluster's namespace by Helm's
// library. debug gets what Helm says while it works.
func New(cluster *kube.Cluster, name string, debug func(format string, args ...any)) (Runner, error) {
	h := &helm{name: name, cluster: cluster, config: new(action.Configuration)}
	if err := h.config.Init(cluster.Getter, cluster.Namespace, "secret", debug); err != nil {
		return nil, fmt.Errorf("prepare Helm: %w", err)
	}
	return h, nil
}

func (h *helm) last() (*release.Release, error) {
	r, err := h.config.Releases.Last(h.name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil //nolint:nilnil // that there is none is an answer
	}
	return r, err
}

func (h *helm) Last(context.Context) (*Info, error) {
	r, err := h.last()
	if err != nil || r == nil {
		return nil, wrapError(h.cluster, err)
	}
	info := describe(r)
	return &info, nil
}

func (h *helm) History(context.Context) ([]Info, error) {
	all, err := h.config.Releases.History(h.name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, wrapError(h.cluster, err)
	}
	slices.SortFunc(all, func(a, b *release.Release) int { return b.Version - a.Version })
	infos := make([]Info, len(all))
	for i, r := range all {
		infos[i] = describe(r)
	}
	return infos, nil
}

func (h *helm) Render(ctx context.Context, s Spec) (string, error) {
	r, err := h.apply(ctx, s, true)
	if err != nil {
		return "", wrapError(h.cluster, err)
	}
	return r.Manifest, nil
}

func (h *helm) Apply(ctx context.Context, s Spec) (Info, error) {
	r, err := h.apply(ctx, s, false)
	if err != nil {
		return Info{}, wrapError(h.cluster, err)
	}
	return describe(r), nil
}

func (h *helm) apply(ctx context.Context, s Spec, dry bool) (*release.Release, error) {
	there, err := h.last()
	if err != nil {
		return nil, err
	}
	if there == nil {
		install := action.NewInstall(h.config)
		install.ReleaseName, install.Namespace = h.name, h.cluster.Namespace
		if dry {
			install.DryRun, install.DryRunOption, install.HideSecret = true, "server", true
		}
		return install.RunWithContext(ctx, s.Chart, s.Values)
	}
	upgrade := action.NewUpgrade(h.config)
	upgrade.Namespace, upgrade.MaxHistory = h.cluster.Namespace, kept
	upgrade.ResetValues, upgrade.ResetThenReuseValues = s.Reset, !s.Reset
	if dry {
		upgrade.DryRun, upgrade.DryRunOption, upgrade.HideSecret = true, "server", true
	}
	return upgrade.RunWithContext(ctx, h.name, s.Chart, s.Values)
}

func (h *helm) Rollback(_ context.Context, revision int) (Info, error) {
	rollback := action.NewRollback(h.config)
	rollback.Version, rollback.MaxHistory = revision, kept
	if err := rollback.Run(h.name); err != nil {
		return Info{}, wrapError(h.cluster, err)
	}
	r, err := h.last()
	if err != nil {
		return Info{}, wrapError(h.cluster, err)
	}
	return describe(r), nil
}

func (h *helm) Fail(_ context.Context, why string) error {
	r, err := h.last()
	if err != nil || r == nil {
		return wrapError(h.cluster, err)
	}
	r.SetStatus(release.StatusFailed, why)
	return wrapError(h.cluster, h.config.Releases.Update(r))
}

func (h *helm) Uninstall(context.Context) error {
	uninstall := action.NewUninstall(h.config)
	uninstall.Wait, uninstall.Timeout, uninstall.IgnoreNotFound = true, removal, true
	uninstall.DeletionPropagation = "foreground"
	_, err := uninstall.Run(h.name)
	return wrapError(h.cluster, err)
}

func describe(r *release.Release) Info {
	info := Info{
		Revision: r.Version, Status: status(r.Info.Status), Updated: r.Info.LastDeployed.Time.UTC(),
		Description: r.Info.Description, Values: r.Config, Manifest: r.Manifest,
	}
	if r.Chart != nil && r.Chart.Metadata != nil {
		info.Version = r.Chart.Metadata.AppVersion
	}
	return info
}

func status(s release.Status) Status {
	switch s {
	case release.StatusDeployed:
		return Deployed
	case release.StatusSuperseded:
		return Superseded
	case release.StatusUninstalling, release.StatusUninstalled:
		return Removing
	case release.StatusPendingInstall, release.StatusPendingUpgrade, release.StatusPendingRollback:
		return Pending
	default:
		return Failed
	}
}
