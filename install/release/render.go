package release

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
)

// Rendered is the release that is checked, shown and applied.
type Rendered struct {
	Version  string         // of SoundExtract
	Values   map[string]any // all that differ from the chart's defaults
	Options  RenderOptions
	Notes    map[string]string // what is stored with the revision: see Info.Notes
	Manifest string            // the objects of the release, YAML documents
	Hooks    string            // the pods that only helm test creates, YAML documents
}

// All returns the manifest together with the hooks.
func (r *Rendered) All() string { return r.Manifest + r.Hooks }

// RenderOptions describes the release and the cluster for which a chart is
// rendered.
type RenderOptions struct {
	Release, Namespace string
	Upgrade            bool
	// APIs are the cluster's APIs in addition to Kubernetes' own, such as
	// keda.sh/v1alpha1/ScaledObject.
	APIs []string
	// Kubernetes is the cluster's version, such as v1.34.4; "" is Helm's default,
	// a very old one.
	Kubernetes string

	offline bool // the kinds of the cluster are not known, as with helm template
}

// capabilities are the properties of the cluster that templates can query.
func (o RenderOptions) capabilities() *chartutil.Capabilities {
	caps := chartutil.DefaultCapabilities.Copy()
	// The chart refuses to generate Secrets for helm template, which does not know the
	// kinds of the cluster.
	caps.APIVersions = append(slices.Clone(caps.APIVersions), o.APIs...)
	if !o.offline {
		caps.APIVersions = append(caps.APIVersions, "v1/Secret")
	}
	if o.Kubernetes != "" {
		caps.KubeVersion = chartutil.KubeVersion{Version: o.Kubernetes}
	}
	return caps
}

// Render renders the chart of a version with values, without accessing the
// cluster. If the schema or a template refuses the values, it returns an
// *sx.Error of code invalid.
func Render(version string, values map[string]any, o RenderOptions) (*Rendered, error) {
	c, err := load(version, nil)
	if err != nil {
		return nil, err
	}
	r := &Rendered{Version: version, Values: deepCopy(values), Options: o}
	all, caps := deepCopy(values), o.capabilities()
	if err := chartutil.ProcessDependenciesWithMerge(c, all); err != nil {
		return nil, fmt.Errorf("prepare the chart: %w", err)
	}
	input, err := chartutil.ToRenderValues(c, all, chartutil.ReleaseOptions{
		Name: o.Release, Namespace: o.Namespace, Revision: 1, IsInstall: !o.Upgrade, IsUpgrade: o.Upgrade,
	}, caps)
	if err != nil {
		return nil, invalidValues(err)
	}
	files, err := engine.Render(c, input)
	if err != nil {
		return nil, fmt.Errorf("render the chart: %w", invalidValues(err))
	}
	for name := range files {
		if path.Ext(name) == ".txt" {
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, caps.APIVersions, releaseutil.InstallOrder)
	if err != nil {
		return nil, fmt.Errorf("read the rendered chart: %w", err)
	}
	var objects, tests strings.Builder
	for _, m := range manifests {
		writeDocument(&objects, m.Name, m.Content)
	}
	for _, h := range hooks {
		writeDocument(&tests, h.Path, h.Manifest)
	}
	r.Manifest, r.Hooks = objects.String(), tests.String()
	return r, nil
}

// writeDocument writes a document as Helm does when it stores a manifest.
func writeDocument(b *strings.Builder, source, content string) {
	_, _ = fmt.Fprintf(b, "---\n# Source: %s\n%s\n", source, content)
}
