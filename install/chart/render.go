package chart

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
)

// RenderOptions say where a chart is rendered for.
type RenderOptions struct {
	Release, Namespace string
	Upgrade            bool
	// APIs are those beyond Kubernetes' own that the cluster has, such as
	// keda.sh/v1alpha1/ScaledObject.
	APIs []string
	// Kubernetes is the cluster's version, such as v1.34.4; "" is a very old one.
	Kubernetes string
}

// Render gives the manifests without a cluster, the Helm test among them. What
// the schema or a template refuses is an *sx.Error of code invalid that says what. The
// chart loses the parts that the values switch off: load it anew for others.
func Render(c *chart.Chart, values map[string]any, o RenderOptions) (string, error) {
	caps := *chartutil.DefaultCapabilities
	caps.APIVersions = append(slices.Clone(caps.APIVersions), o.APIs...)
	if o.Kubernetes != "" {
		caps.KubeVersion = chartutil.KubeVersion{Version: o.Kubernetes}
	}
	if err := chartutil.ProcessDependenciesWithMerge(c, values); err != nil {
		return "", fmt.Errorf("prepare the chart: %w", err)
	}
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{
		Name: o.Release, Namespace: o.Namespace, Revision: 1, IsInstall: !o.Upgrade, IsUpgrade: o.Upgrade,
	}, &caps)
	if err != nil {
		return "", Refusal(err)
	}
	rendered, err := engine.Render(c, all)
	if err != nil {
		return "", fmt.Errorf("render the chart: %w", Refusal(err))
	}
	for name := range rendered {
		if path.Ext(name) == ".txt" || strings.TrimSpace(rendered[name]) == "" {
			delete(rendered, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(rendered, caps.APIVersions, releaseutil.InstallOrder)
	if err != nil {
		return "", fmt.Errorf("read what was rendered: %w", err)
	}
	var b strings.Builder
	for _, m := range manifests {
		fmt.Fprintf(&b, "---\n# Source: %s\n%s\n", m.Name, strings.TrimSpace(m.Content))
	}
	for _, h := range hooks {
		fmt.Fprintf(&b, "---\n# Source: %s\n%s\n", h.Path, strings.TrimSpace(h.Manifest))
	}
	return b.String(), nil
}
