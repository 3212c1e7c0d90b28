package installer

import (
	"context"
	"strings"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/soundextract/sx/server/sx"
)

// annotationHelm is the annotation of the objects of a Helm release with its name.
const annotationHelm = "meta.helm.sh/release-name"

// manager names the tool that applies an object, as far as its labels and annotations tell.
func manager(d *appsv1.Deployment) string {
	for _, set := range []map[string]string{d.Annotations, d.Labels} {
		for name := range set {
			switch {
			case strings.HasPrefix(name, "argocd.argoproj.io/"):
				return "Argo CD"
			case strings.Contains(name, ".toolkit.fluxcd.io/"):
				return "Flux"
			}
		}
	}
	return ""
}

// refuseManaged refuses to change objects that another tool applies: that tool would undo
// the changes. Flux creates a Helm release, Argo CD does not. The hint says what to do
// instead.
func (in *Installer) refuseManaged(ctx context.Context, released bool, instead string) error {
	deployments, err := in.Cluster.Client.AppsV1().Deployments(in.Cluster.Namespace).List(ctx, in.selector())
	if err != nil {
		return nil //nolint:nilerr // the preflight reports a missing permission
	}
	for _, d := range deployments.Items {
		tool := manager(&d)
		if tool == "" && !released && d.Annotations[annotationHelm] == "" {
			tool = "another tool than sx or Helm"
		}
		if tool != "" {
			return sx.NewError(sx.CodeConflict, "the release %s in the namespace %s is managed by %s", in.Release, in.Cluster.Namespace, tool).
				WithHint("%s; see GitOps in docs/operations.md. If that tool no longer manages it, remove its labels and annotations", instead)
		}
	}
	return nil
}

// noRelease returns the error for a release that Helm does not know: another tool manages
// its objects, or there are none.
func (in *Installer) noRelease(ctx context.Context, instead string) error {
	if err := in.refuseManaged(ctx, false, instead); err != nil {
		return err
	}
	return in.NotInstalled()
}
