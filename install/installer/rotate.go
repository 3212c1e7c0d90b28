package installer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soundextract/sx/install/secrets"
)

// Rotatable lists the parts whose secrets can be rotated without downtime.
func Rotatable() []string { return []string{secrets.AuthKeys, secrets.RabbitMQ, secrets.MongoDB} }

// annotationRevision is the annotation of the services' pods with the secrets' revision.
const annotationRevision = "soundextract.io/secrets-revision"

// Rotate changes the secrets of the parts and restarts the services, which read them
// when they start. External parts are skipped, because sx does not manage them.
func (in *Installer) Rotate(ctx context.Context, parts []string, timeout time.Duration) error {
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return err
	}
	if last == nil {
		return in.NotInstalled()
	}
	return in.operation(ctx, func(ctx context.Context) error {
		for _, part := range parts {
			if err := in.rotate(ctx, part); err != nil {
				return err
			}
		}
		if err := in.step("restart the services", func() (string, error) { return in.restart(ctx) }); err != nil {
			return err
		}
		return in.ready(ctx, timeout)
	})
}

func (in *Installer) rotate(ctx context.Context, part string) error {
	if part != secrets.AuthKeys {
		// The Secret does not show that: it may be left from an earlier
		// install.
		sets, err := in.Cluster.Client.AppsV1().StatefulSets(in.Cluster.Namespace).List(ctx, metav1.ListOptions{
			LabelSelector: in.selector().LabelSelector + ",app.kubernetes.io/component=" + part,
		})
		if err != nil {
			return in.Cluster.WrapError(err)
		}
		if len(sets.Items) == 0 {
			in.warn("%s is not part of this release: change its password there, and then its Secret", part)
			return nil
		}
	}
	return in.step("rotate the secret of "+part, func() (string, error) {
		return "", in.Cluster.WrapError(in.secrets().Rotate(ctx, part, in.Cluster.Exec))
	})
}

// restart sets the new revision of the secrets on the services' pods, as the next
// install would.
func (in *Installer) restart(ctx context.Context) (string, error) {
	revision, err := in.secrets().Revision(ctx)
	if err != nil {
		return "", in.Cluster.WrapError(err)
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{annotationRevision: revision},
	}}}})
	if err != nil {
		return "", err
	}
	deployments := in.Cluster.Client.AppsV1().Deployments(in.Cluster.Namespace)
	list, err := deployments.List(ctx, in.selector())
	if err != nil {
		return "", in.Cluster.WrapError(err)
	}
	restarted := 0
	for _, d := range list.Items {
		if outdated(d, revision) {
			if _, err := deployments.Patch(ctx, d.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: "sx"}); err != nil {
				return "", in.Cluster.WrapError(fmt.Errorf("restart %s: %w", d.Name, err))
			}
			restarted++
		}
	}
	return fmt.Sprintf("%d of %d", restarted, len(list.Items)), nil
}

func outdated(d appsv1.Deployment, revision string) bool {
	return d.Spec.Template.Annotations[annotationRevision] != revision
}
