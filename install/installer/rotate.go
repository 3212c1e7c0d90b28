package installer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// Rotatable lists the parts whose secrets can be rotated without downtime.
func Rotatable() []string { return []string{secrets.AuthKeys, secrets.RabbitMQ, secrets.MongoDB} }

// annotationRevision is the annotation of the services' pods with the secrets' revision.
const annotationRevision = "soundextract.io/secrets-revision"

// Rotate changes the secrets of the parts and restarts the services, which read them
// when they start. The previous users of MongoDB and RabbitMQ are removed once no pod uses
// them. External parts are skipped, because sx does not manage them.
func (in *Installer) Rotate(ctx context.Context, parts []string, timeout time.Duration) error {
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return err
	}
	const there = "change the Secrets where they are kept, then global.secrets.revision there"
	if last == nil {
		return in.noRelease(ctx, there)
	}
	if err := in.refuseManaged(ctx, true, there); err != nil {
		return err
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
		if err := in.ready(ctx, timeout); err != nil {
			return err
		}
		return in.retire(ctx, parts, timeout)
	})
}

// retire removes the previous users of the parts.
func (in *Installer) retire(ctx context.Context, parts []string, timeout time.Duration) error {
	var retiring []string
	for _, part := range parts {
		if part == secrets.AuthKeys {
			continue
		}
		retire, err := in.secrets().Retiring(ctx, part)
		switch {
		case apierrors.IsNotFound(err): // external
		case err != nil:
			return in.Cluster.WrapError(err)
		case retire:
			retiring = append(retiring, part)
		}
	}
	if len(retiring) == 0 {
		return nil
	}
	if err := in.step("wait for the previous pods to end", func() (string, error) { return "", in.previousPodsEnded(ctx, timeout) }); err != nil {
		return err
	}
	for _, part := range retiring {
		if err := in.step("remove the previous users of "+part, func() (string, error) {
			return "", in.Cluster.WrapError(in.secrets().Retire(ctx, part, in.Exec))
		}); err != nil {
			return err
		}
	}
	return nil
}

// previousPodsEnded waits until no pod of the services has an earlier revision of the
// secrets. A stopping pod, such as a converter that completes its work, may use its whole
// grace period; any other must be gone before the timeout.
func (in *Installer) previousPodsEnded(ctx context.Context, timeout time.Duration) error {
	revision, err := in.secrets().Revision(ctx)
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	deadline := time.Now().Add(timeout)
	announced := false
	for {
		left, err := in.previousPods(ctx, revision)
		if err != nil || len(left) == 0 {
			return err
		}
		stopping := slices.ContainsFunc(left, func(p corev1.Pod) bool {
			return p.DeletionTimestamp != nil && time.Now().Before(p.DeletionTimestamp.Time)
		})
		if !stopping && time.Now().After(deadline) {
			return sx.NewError(sx.CodeUnavailable, "the pod %s still uses the previous users", left[0].Name).
				WithHint("when it has ended, run the same command again: it removes them")
		}
		if stopping && !announced {
			announced = true
			in.warn("%s completes its work; then the previous users are removed", left[0].Name)
		}
		if err := backoff.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// previousPods lists the pods of the services that have not ended and that were created with
// another revision of the secrets.
func (in *Installer) previousPods(ctx context.Context, revision string) ([]corev1.Pod, error) {
	list, err := in.Cluster.Client.CoreV1().Pods(in.Cluster.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: in.selector().LabelSelector + ",app.kubernetes.io/component in (" + strings.Join(sx.Services(), ",") + ")",
	})
	if err != nil {
		return nil, in.Cluster.WrapError(err)
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return p.Annotations[annotationRevision] == revision || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	}), nil
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
		return "", in.Cluster.WrapError(in.secrets().Rotate(ctx, part, in.Exec))
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
