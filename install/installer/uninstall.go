package installer

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/soundextract/sx/install/manifest"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// Inventory lists the objects that a release has in the cluster.
type Inventory struct {
	Objects []string `json:"objects"` // Kind/name, created by the release
	Volumes []Volume `json:"volumes"` // with the data
	Secrets []string `json:"secrets"` // names of those that the data requires
	// Namespace reports that sx created the namespace.
	Namespace bool `json:"namespace"`
}

// Volume is a volume claim.
type Volume struct {
	Name string `json:"name"`
	Size string `json:"size"` // a Kubernetes quantity such as 8Gi
}

// None reports whether the release has nothing in the cluster.
func (b Inventory) None() bool {
	return len(b.Objects)+len(b.Volumes)+len(b.Secrets) == 0 && !b.Namespace
}

// Inventory returns the objects that an uninstall can remove. It refuses what another tool
// manages, as Uninstall does.
func (in *Installer) Inventory(ctx context.Context) (Inventory, error) {
	var b Inventory
	n, err := in.Cluster.Client.CoreV1().Namespaces().Get(ctx, in.Cluster.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return b, nil
	case err != nil && !apierrors.IsForbidden(err):
		return b, in.Cluster.WrapError(err)
	case err == nil:
		b.Namespace = n.Labels[labelManagedBy] == secrets.ManagedBy
	}
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return b, err
	}
	if err := in.refuseManagedRemoval(ctx, last != nil); err != nil {
		return b, err
	}
	if last != nil {
		objects, err := manifest.Parse(last.Manifest)
		if err != nil {
			return b, err
		}
		for _, o := range objects {
			b.Objects = append(b.Objects, manifest.Name(o))
		}
	}
	claims, err := in.Cluster.Client.CoreV1().PersistentVolumeClaims(in.Cluster.Namespace).List(ctx, in.selector())
	if err != nil {
		return b, in.Cluster.WrapError(fmt.Errorf("list the volumes: %w", err))
	}
	for _, c := range claims.Items {
		size := c.Spec.Resources.Requests.Storage()
		b.Volumes = append(b.Volumes, Volume{Name: c.Name, Size: size.String()})
	}
	if b.Secrets, err = in.secrets().Existing(ctx); err != nil {
		return b, in.Cluster.WrapError(err)
	}
	stored, err := in.storedValues(ctx)
	if stored != nil {
		b.Secrets = append(b.Secrets, in.valuesSecret())
	}
	return b, err
}

// selector selects the objects with the release's labels.
func (in *Installer) selector() metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=soundextract,app.kubernetes.io/instance=" + in.Release}
}

// Uninstall removes the release, and with wipe also its data, its secrets and the
// namespace if sx created it. It succeeds if there is nothing to remove.
func (in *Installer) Uninstall(ctx context.Context, wipe bool) error {
	exists, err := in.namespaceExists(ctx)
	if err != nil || !exists {
		return err
	}
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return err
	}
	if err := in.refuseManagedRemoval(ctx, last != nil); err != nil {
		return err
	}
	err = in.operation(ctx, func(ctx context.Context) error {
		if !wipe {
			if err := in.keepLast(ctx); err != nil {
				return err
			}
		}
		waits, err := in.stopping(ctx)
		if err != nil {
			return err
		}
		err = in.longStep("remove the release "+in.Release, waits, func() (string, error) {
			return "", in.Runner.Uninstall(ctx)
		})
		if err != nil {
			return err
		}
		if err := in.deleteTestPods(ctx); err != nil || !wipe {
			return err
		}
		return in.deleteData(ctx)
	})
	if err != nil || !wipe {
		return err
	}
	return in.removeNamespace(ctx)
}

// refuseManagedRemoval refuses to remove what another tool manages: it would install it
// again, but the data and the Secrets would be gone.
func (in *Installer) refuseManagedRemoval(ctx context.Context, released bool) error {
	return in.refuseManaged(ctx, released, "remove it there; then this command can delete what is left with --wipe-data: "+
		in.Cluster.SX(in.Release, "uninstall", "--wipe-data"))
}

// keepLast stores the values of the newest revision that worked, which Helm may have
// created.
func (in *Installer) keepLast(ctx context.Context) error {
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return err
	}
	good, err := in.newestGood(ctx, last)
	if err != nil || good == nil {
		return err
	}
	return in.keepValues(ctx, *good)
}

// deleteTestPods deletes the pods of helm test, which Helm keeps, and those of backups that were
// interrupted.
func (in *Installer) deleteTestPods(ctx context.Context) error {
	all := in.selector()
	all.LabelSelector += ",app.kubernetes.io/component in (smoke,backup)"
	err := in.Cluster.Client.CoreV1().Pods(in.Cluster.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, all)
	return in.Cluster.WrapError(err)
}

func (in *Installer) deleteData(ctx context.Context) error {
	claims := in.Cluster.Client.CoreV1().PersistentVolumeClaims(in.Cluster.Namespace)
	err := in.step("delete the data", func() (string, error) {
		list, err := claims.List(ctx, in.selector())
		if err != nil {
			return "", in.Cluster.WrapError(err)
		}
		for _, c := range list.Items {
			if err := claims.Delete(ctx, c.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return "", in.Cluster.WrapError(err)
			}
		}
		return strings.Join(names(list, nil), ", "), in.waitUntil(ctx, func() (bool, error) {
			left, err := claims.List(ctx, in.selector())
			return err == nil && len(left.Items) == 0, err
		})
	})
	if err != nil {
		return err
	}
	return in.step("delete the secrets", func() (string, error) {
		if err := in.deleteValues(ctx); err != nil {
			return "", err
		}
		return "", in.Cluster.WrapError(in.secrets().Remove(ctx))
	})
}

// deletionTimeout bounds the wait for objects to be deleted, which finalizers and pods
// that terminate slowly delay.
const deletionTimeout = 3 * time.Minute

// waitUntil polls a condition until it is true.
func (in *Installer) waitUntil(ctx context.Context, condition func() (bool, error)) error {
	waiting, cancel := context.WithTimeout(ctx, deletionTimeout)
	defer cancel()
	for {
		if done, err := condition(); err != nil || done {
			return in.Cluster.WrapError(err)
		}
		if backoff.Sleep(waiting, pollInterval) != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return sx.NewError(sx.CodeConflict, "deletion is not finished after %s", deletionTimeout).
				WithHint("see what is left with: %s; then run the same command again", in.Cluster.Kubectl("get", "all,pvc"))
		}
	}
}

// names lists the names of the objects of a list, nil if err is not nil.
func names(list runtime.Object, err error) []string {
	if err != nil {
		return nil
	}
	var all []string
	// This cannot fail for a list of objects.
	_ = meta.EachListItem(list, func(o runtime.Object) error {
		if m, err := meta.Accessor(o); err == nil {
			all = append(all, m.GetName())
		}
		return nil
	})
	return all
}

// longStop is from when on the time that pods take to stop is mentioned.
const longStop = 5 * time.Minute

// stopping says how long the pods may take to stop; "" if that is not long.
func (in *Installer) stopping(ctx context.Context) (string, error) {
	stop, err := release.StopTime(ctx, in.Cluster, in.Release)
	if err != nil || stop < longStop {
		return "", in.Cluster.WrapError(err)
	}
	return fmt.Sprintf("converters may take %s to finish what they convert", stop), nil
}
