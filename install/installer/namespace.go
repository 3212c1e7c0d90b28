package installer

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/soundextract/sx/install/secrets"
)

const labelManagedBy = "app.kubernetes.io/managed-by"

// namespaceExists reports whether the namespace exists. Without the permission to read
// it, it is assumed to exist.
func (in *Installer) namespaceExists(ctx context.Context) (bool, error) {
	_, err := in.Cluster.Client.CoreV1().Namespaces().Get(ctx, in.Cluster.Namespace, metav1.GetOptions{})
	switch {
	case err == nil, apierrors.IsForbidden(err):
		return true, nil
	case apierrors.IsNotFound(err):
		return false, nil
	default:
		return false, in.Cluster.WrapError(err)
	}
}

// createNamespace creates the namespace, with the strictest level of Pod Security,
// unless it exists. If it is being deleted, after an interrupted uninstall,
// createNamespace first waits until it is deleted.
func (in *Installer) createNamespace(ctx context.Context) error {
	namespaces := in.Cluster.Client.CoreV1().Namespaces()
	n, err := namespaces.Get(ctx, in.Cluster.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err), err == nil && n.DeletionTimestamp == nil:
		return nil
	case err == nil:
		if err := in.step("wait until the old namespace is deleted", func() (string, error) { return "", in.waitNamespaceDeleted(ctx) }); err != nil {
			return err
		}
	case !apierrors.IsNotFound(err):
		return in.Cluster.WrapError(err)
	}
	return in.step("create the namespace "+in.Cluster.Namespace, func() (string, error) {
		_, err := namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: in.Cluster.Namespace,
			Labels: map[string]string{
				labelManagedBy:                       secrets.ManagedBy,
				"pod-security.kubernetes.io/enforce": "restricted",
			},
		}}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			err = nil
		}
		return "", in.Cluster.WrapError(err)
	})
}

func (in *Installer) waitNamespaceDeleted(ctx context.Context) error {
	return in.waitUntil(ctx, func() (bool, error) {
		_, err := in.Cluster.Client.CoreV1().Namespaces().Get(ctx, in.Cluster.Namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

// removeNamespace deletes the namespace if sx created it and it contains nothing
// else, and waits until it is deleted.
func (in *Installer) removeNamespace(ctx context.Context) error {
	namespaces := in.Cluster.Client.CoreV1().Namespaces()
	n, err := namespaces.Get(ctx, in.Cluster.Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	if n.Labels[labelManagedBy] != secrets.ManagedBy {
		return nil // it existed before
	}
	others, err := in.foreignObjects(ctx)
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	if len(others) > 0 {
		in.warn("the namespace %s is kept, because it contains %s", n.Name, others[0])
		return nil
	}
	return in.step("remove the namespace "+n.Name, func() (string, error) {
		if err := namespaces.Delete(ctx, n.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return "", in.Cluster.WrapError(err)
		}
		return "", in.waitNamespaceDeleted(ctx)
	})
}

// foreignObjects lists, as KIND NAME, the objects in the namespace that Kubernetes did
// not create itself, of the kinds that users may want to keep.
func (in *Installer) foreignObjects(ctx context.Context) ([]string, error) {
	core, apps, batch := in.Cluster.Client.CoreV1(), in.Cluster.Client.AppsV1(), in.Cluster.Client.BatchV1()
	ns, every := in.Cluster.Namespace, metav1.ListOptions{}
	var all []string
	var failed error
	add := func(kind string, list runtime.Object, err error) {
		failed = errors.Join(failed, err)
		for _, name := range names(list, err) {
			all = append(all, "the "+kind+" "+name)
		}
	}
	pods, err := core.Pods(ns).List(ctx, every)
	add("pod", pods, err)
	claims, err := core.PersistentVolumeClaims(ns).List(ctx, every)
	add("volume claim", claims, err)
	kept, err := core.Secrets(ns).List(ctx, every)
	add("secret", kept, err)
	deployments, err := apps.Deployments(ns).List(ctx, every)
	add("deployment", deployments, err)
	sets, err := apps.StatefulSets(ns).List(ctx, every)
	add("stateful set", sets, err)
	jobs, err := batch.CronJobs(ns).List(ctx, every)
	add("cron job", jobs, err)
	return all, failed
}
