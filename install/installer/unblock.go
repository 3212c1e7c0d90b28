package installer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/backoff"
)

const labelComponent = "app.kubernetes.io/component"

// observeTimeout is how long the StatefulSet controller may take to notice a change.
const observeTimeout = 10 * time.Second

// unblock deletes pods of an earlier rollout that do not run, such as those whose image
// cannot be pulled: an ordered StatefulSet waits until all its pods are ready before it
// replaces any, even if the new rollout would fix them. A pod that runs is left alone,
// because MongoDB may be recovering its data in it.
func (in *Installer) unblock(ctx context.Context) error {
	sets := in.Cluster.Client.AppsV1().StatefulSets(in.Cluster.Namespace)
	all, err := sets.List(ctx, in.selector())
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	for _, set := range all.Items {
		if set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement {
			continue
		}
		current := &set
		for deadline := in.Now().Add(observeTimeout); current.Status.ObservedGeneration < current.Generation && in.Now().Before(deadline); {
			if err := backoff.Sleep(ctx, pollInterval); err != nil {
				return err
			}
			if current, err = sets.Get(ctx, set.Name, metav1.GetOptions{}); err != nil {
				return in.Cluster.WrapError(err)
			}
		}
		if current.Status.ObservedGeneration < current.Generation {
			continue // the wait for the workloads reports it
		}
		if err := in.deleteBlocking(ctx, current); err != nil {
			return err
		}
	}
	return nil
}

// deleteBlocking deletes the pods that block the rollout of a StatefulSet.
func (in *Installer) deleteBlocking(ctx context.Context, set *appsv1.StatefulSet) error {
	pods := in.Cluster.Client.CoreV1().Pods(in.Cluster.Namespace)
	list, err := pods.List(ctx, in.selector())
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	for _, p := range list.Items {
		old := p.Labels[appsv1.ControllerRevisionHashLabelKey] != set.Status.UpdateRevision
		if !metav1.IsControlledBy(&p, set) || !old || p.DeletionTimestamp != nil || partRuns(&p) {
			continue
		}
		err := in.step("delete the pod "+p.Name, func() (string, error) {
			err := pods.Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID))})
			if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // it has been replaced meanwhile
				err = nil
			}
			return "it is not running, and the rollout would wait for it" + reasonOf(&p), in.Cluster.WrapError(err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// partRuns reports whether the part itself runs in the pod. Its other containers do not use
// its data.
func partRuns(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.Name == p.Labels[labelComponent] && s.State.Running != nil
	})
}

// reasonOf says why the containers of a pod wait, such as " (ErrImagePull)".
func reasonOf(p *corev1.Pod) string {
	var reasons []string
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.State.Waiting != nil && !slices.Contains(reasons, s.State.Waiting.Reason) {
			reasons = append(reasons, s.State.Waiting.Reason)
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", strings.Join(reasons, ", "))
}
