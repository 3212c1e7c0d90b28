package installer

import (
	"context"
	"fmt"
	"slices"

	"helm.sh/helm/v3/pkg/chartutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/server/sx"
)

// InstallRequest is what the operator asks of an install.
type InstallRequest struct {
	Flags values.Flags
	// Reset forgets the values of earlier installs.
	Reset bool
}

// FirstPreset is what a first install begins with when no preset is named.
const FirstPreset = "quickstart"

// plan is what an install would do.
type plan struct {
	last      *release.Info  // nil at the first install
	values    map[string]any // those of this install alone
	all       map[string]any // with those that are kept of earlier ones
	preset    string         // the one that begins the values, "" is none
	manifest  string         // rendered, with the Helm test
	accessErr error          // why the release could not be read
}

// plan merges the values and renders the chart with them, which is when the schema
// refuses wrong ones. It changes nothing.
func (in *Installer) plan(ctx context.Context, w InstallRequest) (*plan, error) {
	p := &plan{}
	var err error
	if p.last, err = in.Runner.Last(ctx); err != nil {
		if sx.CodeOf(err) != sx.CodeForbidden {
			return nil, err
		}
		p.accessErr = err // the preflight tells what else is missing
	}
	if w.Flags.Preset == "" && (p.last == nil || w.Reset) {
		w.Flags.Preset = FirstPreset
	}
	p.preset = w.Flags.Preset
	if p.values, err = w.Flags.Values(); err != nil {
		return nil, err
	}
	revision, err := in.secrets().Revision(ctx)
	if err != nil && !apierrors.IsForbidden(err) {
		return nil, in.Cluster.WrapError(err)
	}
	values.WithSecrets(p.values, revision)
	p.all = p.values
	if p.last != nil && !w.Reset {
		p.all = chartutil.CoalesceTables(copied(p.values), copied(p.last.Values))
	}
	p.manifest, err = in.render(p.all, p.last != nil)
	return p, err
}

// render renders the chart as Helm will, but without storing or asking.
func (in *Installer) render(all map[string]any, upgrade bool) (string, error) {
	c, err := chart.Load(in.Version)
	if err != nil {
		return "", err
	}
	apis, err := in.apis()
	if err != nil {
		return "", err
	}
	version, err := in.Cluster.Client.Discovery().ServerVersion()
	if err != nil {
		return "", in.Cluster.WrapError(fmt.Errorf("ask the cluster for its version: %w", err))
	}
	return chart.Render(c, copied(all), chart.RenderOptions{
		Release: in.Release, Namespace: in.Cluster.Namespace, Upgrade: upgrade, APIs: apis, Kubernetes: version.GitVersion,
	})
}

// apis lists what the cluster knows, as GROUP/VERSION and GROUP/VERSION/KIND.
func (in *Installer) apis() ([]string, error) {
	_, lists, err := in.Cluster.Client.Discovery().ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) { // one add-on that is away is no reason
		return nil, in.Cluster.WrapError(fmt.Errorf("ask the cluster what it knows: %w", err))
	}
	var all []string
	for _, list := range lists {
		all = append(all, list.GroupVersion)
		for _, r := range list.APIResources {
			all = append(all, list.GroupVersion+"/"+r.Kind)
		}
	}
	return all, nil
}

// copied is a deep copy: Helm changes what it is given.
func copied(v map[string]any) map[string]any {
	if v == nil {
		return map[string]any{}
	}
	return runtime.DeepCopyJSON(plain(v))
}

// plain makes of the numbers and lists that YAML gives those that JSON knows.
func plain(v map[string]any) map[string]any {
	out := make(map[string]any, len(v))
	for key, value := range v {
		out[key] = plainValue(value)
	}
	return out
}

func plainValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return plain(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainValue(v[i])
		}
		return out
	case int:
		return int64(v)
	case float32:
		return float64(v)
	default:
		return v
	}
}

// parts are the Secrets that the release needs of sx: not those of a RabbitMQ or
// MongoDB elsewhere.
func (p *plan) parts() []string {
	return slices.DeleteFunc(secrets.Parts(), func(part string) bool {
		global, _ := p.all["global"].(map[string]any)
		external := map[string]string{secrets.RabbitMQ: "externalRabbitmqSecret", secrets.MongoDB: "externalMongodbSecret"}[part]
		name, _ := global[external].(string)
		return external != "" && name != ""
	})
}
