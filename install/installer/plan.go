package installer

import (
	"cmp"
	"context"
	"encoding/json"
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
	last        *release.Info // nil for a first install
	good        *release.Info // the newest one that worked; nil for none
	base        string        // the manifest that Helm compares with: of the revision that is deployed
	preset      string        // "" for none
	restored    bool          // the values are those of an installation that was removed
	keptVersion string        // the version of the values that are kept
	upgrades    []upgrade     // of MongoDB and RabbitMQ, to another series
	warnings    []string
	dropped     []string // the values of a failed attempt that are not kept, as NAME=VALUE
	secrets     *secrets.Prepared
	rendered    *release.Rendered
	accessErr   error // a missing permission to read the release or its Secrets
}

// plan merges the values and renders the chart with them, which validates them against
// the schema. It changes nothing.
func (in *Installer) plan(ctx context.Context, request InstallRequest) (*plan, error) {
	p := &plan{}
	var err error
	if p.last, err = in.Runner.Last(ctx); err != nil {
		if sx.CodeOf(err) != sx.CodeForbidden {
			return nil, err
		}
		p.accessErr = err // the preflight lists all missing permissions
	}
	if p.base, err = in.base(ctx, p.last); err != nil {
		return nil, err
	}
	if p.good, err = in.newestGood(ctx, p.last); err != nil {
		return nil, err
	}
	merged, sources, err := in.merge(ctx, p, request)
	if err != nil {
		return nil, err
	}
	p.warnings = in.versionWarnings(p, merged)
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
	if p.rendered, err = release.Render(in.Version, merged, options); err != nil {
		return nil, err
	}
	p.rendered.Notes, err = in.notes(ctx, sources)
	return p, err
}

// notes returns the notes to store with the revision.
func (in *Installer) notes(ctx context.Context, sources values.Sources) (map[string]string, error) {
	text, err := json.Marshal(sources)
	if err != nil {
		return nil, fmt.Errorf("encode the sources of the values: %w", err)
	}
	return map[string]string{noteAuthor: in.author(ctx), noteSources: string(text)}, nil
}

// base returns the manifest of the newest revision that is deployed, or else of the last
// one: what Helm compares a new manifest with.
func (in *Installer) base(ctx context.Context, last *release.Info) (string, error) {
	if last == nil {
		return "", nil
	}
	if last.Status == release.Deployed {
		return last.Manifest, nil
	}
	history, err := in.Runner.History(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range history {
		if r.Status == release.Deployed {
			return r.Manifest, nil
		}
	}
	return last.Manifest, nil
}

// merge merges the requested values over those that are kept, and returns where each comes
// from.
func (in *Installer) merge(ctx context.Context, p *plan, request InstallRequest) (map[string]any, values.Sources, error) {
	var earlier *kept
	if !request.Reset && p.accessErr == nil {
		var err error
		if earlier, err = in.kept(ctx, p.good); err != nil {
			return nil, nil, err
		}
	}
	if request.Flags.Preset == "" && earlier == nil {
		request.Flags.Preset = FirstPreset
	}
	p.preset = request.Flags.Preset
	merged, sources, err := request.Flags.Merge()
	if err != nil {
		return nil, nil, err
	}
	if earlier == nil {
		earlier = &kept{}
	} else {
		p.restored, p.keptVersion = p.last == nil, earlier.Version
		merged = release.Keep(merged, earlier.Values)
	}
	if p.last != nil && !worked(*p.last) && !request.Reset {
		p.dropped = dropped(p.last.Values, earlier.Values, merged)
	}
	revision := 1
	if p.last != nil {
		revision = p.last.Revision + 1
	}
	return merged, sources.Over(earlier.Sources, merged, revision), nil
}

// dropped lists, as NAME=VALUE, the values of a failed attempt that are neither kept nor
// requested again.
func dropped(failed, earlier, merged map[string]any) []string {
	var all []string
	now := map[string]bool{}
	for _, d := range values.Differences(merged, failed) {
		now[d.Value] = true
	}
	for _, d := range values.Differences(earlier, failed) {
		if now[d.Value] && d.After != nil {
			all = append(all, d.Value+"="+values.Text(d.After))
		}
	}
	return all
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
