package installer

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/server/sx"
)

// InstallRequest contains the operator's choices for an install.
type InstallRequest struct {
	Flags values.Flags
	// Reset discards the values of earlier installs.
	Reset bool
}

// FirstPreset is the preset of a first install, unless another is named.
const FirstPreset = "quickstart"

// plan is the plan of an install. Its rendered release is the one that is
// checked, shown and applied.
type plan struct {
	last      *release.Info // nil for a first install
	preset    string        // "" for none
	secrets   *secrets.Prepared
	rendered  *release.Rendered
	accessErr error // a missing permission to read the release or its Secrets
}

// plan merges the values and renders the chart with them, which is when the schema
// refuses invalid ones. It changes nothing.
func (in *Installer) plan(ctx context.Context, request InstallRequest) (*plan, error) {
	p := &plan{}
	var err error
	if p.last, err = in.Runner.Last(ctx); err != nil {
		if sx.CodeOf(err) != sx.CodeForbidden {
			return nil, err
		}
		p.accessErr = err // the preflight lists all missing permissions
	}
	merged, err := p.merge(request)
	if err != nil {
		return nil, err
	}
	p.secrets, err = in.secrets().Prepare(ctx, ownParts(merged))
	switch {
	case apierrors.IsForbidden(err):
		p.secrets, p.accessErr = &secrets.Prepared{}, cmp.Or(p.accessErr, in.Cluster.WrapError(err))
	case err != nil:
		return nil, in.Cluster.WrapError(err)
	}
	values.WithSecrets(merged, p.secrets.Revision)
	options, err := in.renderOptions(p.last != nil)
	if err != nil {
		return nil, err
	}
	p.rendered, err = release.Render(in.Version, merged, options)
	return p, err
}

// merge merges the requested values and those of earlier installs.
func (p *plan) merge(request InstallRequest) (map[string]any, error) {
	keep := p.last != nil && !request.Reset
	if request.Flags.Preset == "" && !keep {
		request.Flags.Preset = FirstPreset
	}
	p.preset = request.Flags.Preset
	given, err := request.Flags.Values()
	if err != nil || !keep {
		return given, err
	}
	return release.Keep(given, p.last.Values), nil
}

// renderOptions describe the cluster to the chart's templates.
func (in *Installer) renderOptions(upgrade bool) (release.RenderOptions, error) {
	o := release.RenderOptions{Release: in.Release, Namespace: in.Cluster.Namespace, Upgrade: upgrade}
	var err error
	if o.APIs, err = in.apis(); err != nil {
		return o, err
	}
	version, err := in.Cluster.Client.Discovery().ServerVersion()
	if err != nil {
		return o, in.Cluster.WrapError(fmt.Errorf("get the cluster's version: %w", err))
	}
	o.Kubernetes = version.GitVersion
	return o, nil
}

// apis lists the cluster's APIs as GROUP/VERSION and GROUP/VERSION/KIND.
func (in *Installer) apis() ([]string, error) {
	_, lists, err := in.Cluster.Client.Discovery().ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) { // an unavailable add-on does not matter
		return nil, in.Cluster.WrapError(fmt.Errorf("get the cluster's APIs: %w", err))
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

// ownParts lists the parts whose Secrets sx generates: all but an external RabbitMQ
// or MongoDB.
func ownParts(merged map[string]any) []string {
	global, _ := merged["global"].(map[string]any)
	external := map[string]string{secrets.RabbitMQ: "externalRabbitmqSecret", secrets.MongoDB: "externalMongodbSecret"}
	return slices.DeleteFunc(secrets.Parts(), func(part string) bool {
		name, _ := global[external[part]].(string)
		return name != ""
	})
}
