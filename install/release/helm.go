package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/action"
	helmkube "helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

const (
	// maxHistory is how many revisions are kept for rollbacks.
	maxHistory = 10
	// uninstallTimeout bounds the wait for the objects to be deleted, in addition to the
	// time that pods may take to stop.
	uninstallTimeout = 5 * time.Minute
)

type helm struct {
	name    string
	cluster *kube.Cluster
	config  *action.Configuration
}

// New returns a Runner for the named release in the cluster's namespace.
// debug receives Helm's log.
func New(cluster *kube.Cluster, name string, debug func(format string, args ...any)) Runner {
	// Configuration.Init would do the same, and link the drivers of SQL databases.
	client := helmkube.New(cluster.Getter)
	client.Log = debug
	secrets := driver.NewSecrets(cluster.Client.CoreV1().Secrets(cluster.Namespace))
	secrets.Log = debug
	return &helm{name: name, cluster: cluster, config: &action.Configuration{
		RESTClientGetter: cluster.Getter, KubeClient: client, Releases: storage.Init(secrets), Log: debug,
		HookOutputFunc: func(_, _, _ string) io.Writer { return io.Discard },
	}}
}

func (h *helm) last() (*release.Release, error) {
	r, err := h.config.Releases.Last(h.name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil //nolint:nilnil // no release is no error
	}
	return r, err
}

func (h *helm) Last(context.Context) (*Info, error) {
	r, err := h.last()
	if err != nil || r == nil {
		return nil, h.wrapError(err)
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
		return nil, h.wrapError(err)
	}
	slices.SortFunc(all, func(a, b *release.Release) int { return b.Version - a.Version })
	infos := make([]Info, len(all))
	for i, r := range all {
		infos[i] = describe(r)
	}
	return infos, nil
}

func (h *helm) DryRun(ctx context.Context, r *Rendered) error {
	_, err := h.apply(ctx, r, true)
	return h.wrapError(err)
}

func (h *helm) Apply(ctx context.Context, r *Rendered) (Info, error) {
	applied, err := h.apply(ctx, r, false)
	if err != nil {
		return Info{}, h.wrapError(err)
	}
	return describe(applied), nil
}

// apply has Helm render the chart again, because Helm stores the chart with the revision,
// and lets Helm continue only with the same manifest.
func (h *helm) apply(ctx context.Context, r *Rendered, dryRun bool) (*release.Release, error) {
	last, err := h.last()
	if err != nil {
		return nil, err
	}
	loaded, err := load(r.Version, r.Notes)
	if err != nil {
		return nil, err
	}
	h.config.Capabilities = r.Options.capabilities()
	values, verify := deepCopy(r.Values), verifier{r.Manifest}
	if last == nil {
		install := action.NewInstall(h.config)
		install.ReleaseName, install.Namespace, install.PostRenderer = h.name, h.cluster.Namespace, verify
		if dryRun {
			install.DryRun, install.DryRunOption = true, "server"
		}
		return install.RunWithContext(ctx, loaded, values)
	}
	upgrade := action.NewUpgrade(h.config)
	upgrade.Namespace, upgrade.MaxHistory, upgrade.PostRenderer = h.cluster.Namespace, maxHistory, verify
	upgrade.ResetValues = true // r contains the values to keep
	if dryRun {
		upgrade.DryRun, upgrade.DryRunOption = true, "server"
	}
	return upgrade.RunWithContext(ctx, h.name, loaded, values)
}

// verifier is a post-renderer that stops Helm before it changes anything if its
// manifest is not the one that was checked.
type verifier struct{ manifest string }

func (v verifier) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	if rendered.String() != v.manifest {
		return nil, sx.NewError(sx.CodeInternal, "Helm rendered a manifest that differs from the one that was checked").
			WithHint("nothing was changed; please report this, with the values and the output of sx version")
	}
	return rendered, nil
}

func (h *helm) Rollback(_ context.Context, revision int, notes map[string]string) (Info, error) {
	rollback := action.NewRollback(h.config)
	rollback.Version, rollback.MaxHistory = revision, maxHistory
	if err := rollback.Run(h.name); err != nil {
		return Info{}, h.wrapError(err)
	}
	r, err := h.last()
	if err != nil {
		return Info{}, h.wrapError(err)
	}
	if r.Chart != nil && r.Chart.Metadata != nil {
		// The chart is that of the earlier revision.
		all := maps.Clone(r.Chart.Metadata.Annotations)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, notes)
		r.Chart.Metadata.Annotations = all
		if err := h.config.Releases.Update(r); err != nil {
			return Info{}, h.wrapError(err)
		}
	}
	return describe(r), nil
}

func (h *helm) Fail(_ context.Context, why string) error {
	r, err := h.last()
	if err != nil || r == nil {
		return h.wrapError(err)
	}
	r.SetStatus(release.StatusFailed, why)
	return h.wrapError(h.config.Releases.Update(r))
}

func (h *helm) Uninstall(ctx context.Context) error {
	stop, err := StopTime(ctx, h.cluster, h.name)
	if err != nil {
		return h.wrapError(err)
	}
	uninstall := action.NewUninstall(h.config)
	uninstall.Wait, uninstall.Timeout, uninstall.IgnoreNotFound = true, stop+uninstallTimeout, true
	uninstall.DeletionPropagation = "foreground"
	_, err = uninstall.Run(h.name)
	return h.wrapError(err)
}

// StopTime returns how long the pods of a release may take to stop: converters finish what
// they convert.
func StopTime(ctx context.Context, cluster *kube.Cluster, name string) (time.Duration, error) {
	pods, err := cluster.Client.CoreV1().Pods(cluster.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/instance=" + name,
	})
	if err != nil {
		return 0, fmt.Errorf("list the pods: %w", err)
	}
	var longest int64
	for _, p := range pods.Items {
		if grace := p.Spec.TerminationGracePeriodSeconds; grace != nil {
			longest = max(longest, *grace)
		}
	}
	return time.Duration(longest) * time.Second, nil
}

func describe(r *release.Release) Info {
	info := Info{
		Revision: r.Version, Status: status(r.Info.Status), Updated: r.Info.LastDeployed.Time.UTC(),
		Description: r.Info.Description, Values: r.Config, Manifest: r.Manifest,
	}
	if r.Chart != nil && r.Chart.Metadata != nil {
		info.Version, info.Notes = r.Chart.Metadata.AppVersion, r.Chart.Metadata.Annotations
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
