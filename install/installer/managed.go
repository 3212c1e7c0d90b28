package installer

import (
	"context"
	"strings"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/soundextract/sx/server/sx"
)

// annotationHelm is the annotation of the objects of a Helm release with its name.
const annotationHelm = "meta.helm.sh/release-name"

// manager names the tool that applies an object.
func manager(d *appsv1.Deployment) string {
	for name := range d.Annotations {
		if strings.HasPrefix(name, "argocd.argoproj.io/") {
			return "Argo CD"
		}
	}
	for name := range d.Labels {
		switch {
		case strings.HasPrefix(name, "argocd.argoproj.io/"):
			return "Argo CD"
		case strings.Contains(name, ".toolkit.fluxcd.io/"):
			return "Flux"
		}
	}
	return "another tool than sx or Helm"
}

// refuseManaged refuses an install over objects that another tool applies: that tool
// would undo the changes.
func (in *Installer) refuseManaged(ctx context.Context) error {
	deployments, err := in.Cluster.Client.AppsV1().Deployments(in.Cluster.Namespace).List(ctx, in.selector())
	if err != nil {
		return nil //nolint:nilerr // the preflight reports a missing permission
	}
	for _, d := range deployments.Items {
		if d.Annotations[annotationHelm] == "" {
			return sx.NewError(sx.CodeConflict, "the release %s in the namespace %s is managed by %s", in.Release, in.Cluster.Namespace, manager(&d)).
				WithHint("change its values there; docs/operations.md describes it under GitOps")
		}
	}
	return nil
}
