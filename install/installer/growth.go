package installer

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soundextract/sx/server/sx"
)

// growth is a volume claim that is smaller than the manifest says.
type growth struct {
	claim    string
	from, to resource.Quantity
}

func (g growth) String() string {
	return fmt.Sprintf("%s from %s to %s", g.claim, g.from.String(), g.to.String())
}

// growths lists the existing claims of a StatefulSet that have to grow, those of an
// uninstalled release included. It refuses one that cannot.
func (in *Installer) growths(ctx context.Context, desired *appsv1.StatefulSet) ([]growth, error) {
	claims, err := in.Cluster.Client.CoreV1().PersistentVolumeClaims(in.Cluster.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, in.Cluster.WrapError(err)
	}
	var all []growth
	for _, t := range desired.Spec.VolumeClaimTemplates {
		wants := t.Spec.Resources.Requests[corev1.ResourceStorage]
		for _, c := range claims.Items {
			ordinal, of := strings.CutPrefix(c.Name, t.Name+"-"+desired.Name+"-")
			_, err := strconv.Atoi(ordinal)
			has := c.Spec.Resources.Requests[corev1.ResourceStorage]
			if !of || err != nil || has.IsZero() || has.Cmp(wants) >= 0 {
				continue
			}
			g := growth{c.Name, has, wants}
			if err := in.canGrow(ctx, &c, g); err != nil {
				component := strings.TrimPrefix(desired.Name, in.Release+"-")
				return nil, sx.NewError(sx.CodeInvalid, "the volume of %s cannot grow from %s to %s: %v", component, has.String(), wants.String(), err).
					WithHint("keep the size with: %s (docs/install.md describes how to move to a larger volume)", in.set(component+".persistence.size", has.String()))
			}
			all = append(all, g)
		}
	}
	return all, nil
}

// announceSizes warns of volumes that grow, and of those that keep a size which is larger
// than the manifest's: no volume can shrink.
func (in *Installer) announceSizes(ctx context.Context, text string) error {
	sets, err := statefulSets(text)
	if err != nil {
		return err
	}
	for _, desired := range sets {
		grown, err := in.growths(ctx, &desired)
		if err != nil {
			return err
		}
		for _, g := range grown {
			in.warn("the volume %s will grow from %s to %s and cannot shrink again", g.claim, g.from.String(), g.to.String())
		}
		existing, err := in.Cluster.Client.AppsV1().StatefulSets(in.Cluster.Namespace).Get(ctx, desired.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return in.Cluster.WrapError(err)
		}
		if has, wants := sizeOf(existing), sizeOf(&desired); has.Cmp(wants) > 0 {
			in.warn("the volumes of %s keep their size of %s: they cannot shrink to %s", strings.TrimPrefix(desired.Name, in.Release+"-"), has.String(), wants.String())
		}
	}
	return nil
}

// sizeOf returns the size of the volumes of a part, which have one template.
func sizeOf(set *appsv1.StatefulSet) resource.Quantity {
	var size resource.Quantity
	for _, t := range set.Spec.VolumeClaimTemplates {
		size = t.Spec.Resources.Requests[corev1.ResourceStorage]
	}
	return size
}

// canGrow returns why a claim cannot grow, or nil. Without the permission to read its
// StorageClass, it asks the API server, which refuses a growth that the class does not
// allow.
func (in *Installer) canGrow(ctx context.Context, c *corev1.PersistentVolumeClaim, g growth) error {
	if c.Status.Phase != corev1.ClaimBound {
		return fmt.Errorf("the claim %s is not bound to a volume", c.Name)
	}
	class := ""
	if c.Spec.StorageClassName != nil {
		class = *c.Spec.StorageClassName
	}
	if class == "" {
		return fmt.Errorf("the claim %s has no StorageClass", c.Name)
	}
	found, err := in.Cluster.Client.StorageV1().StorageClasses().Get(ctx, class, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return in.patchClaim(ctx, g, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	case apierrors.IsNotFound(err):
		return fmt.Errorf("its StorageClass %s does not exist", class)
	case err != nil:
		return in.Cluster.WrapError(err)
	case found.AllowVolumeExpansion == nil || !*found.AllowVolumeExpansion:
		return fmt.Errorf("its StorageClass %s does not allow it", class)
	}
	return nil
}

func (in *Installer) patchClaim(ctx context.Context, g growth, o metav1.PatchOptions) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": g.to.String()}}}})
	if err != nil {
		return fmt.Errorf("format the size: %w", err)
	}
	_, err = in.Cluster.Client.CoreV1().PersistentVolumeClaims(in.Cluster.Namespace).Patch(ctx, g.claim, types.MergePatchType, patch, o)
	return err
}

// growVolumes enlarges the volumes that are smaller than the manifest says. The size in a
// StatefulSet cannot be changed, so the StatefulSet is deleted without its pods; the
// release creates it again, and the new one adopts them. After an interruption, the next
// install continues.
func (in *Installer) growVolumes(ctx context.Context, text string) error {
	sets, err := statefulSets(text)
	if err != nil {
		return err
	}
	for _, desired := range sets {
		grown, err := in.growths(ctx, &desired)
		if err != nil {
			return err
		}
		for _, g := range grown {
			err := in.step("enlarge the volume "+g.String(), func() (string, error) {
				return "", in.Cluster.WrapError(in.patchClaim(ctx, g, metav1.PatchOptions{}))
			})
			if err != nil {
				return err
			}
		}
		if err := in.recreateForSize(ctx, &desired); err != nil {
			return err
		}
	}
	return nil
}

// recreateForSize deletes a StatefulSet whose claim templates have other sizes, without
// its pods.
func (in *Installer) recreateForSize(ctx context.Context, desired *appsv1.StatefulSet) error {
	sets := in.Cluster.Client.AppsV1().StatefulSets(in.Cluster.Namespace)
	existing, err := sets.Get(ctx, desired.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	if sameSizes(existing, desired) {
		return nil
	}
	orphan := metav1.DeletePropagationOrphan
	err = sets.Delete(ctx, desired.Name, metav1.DeleteOptions{PropagationPolicy: &orphan, Preconditions: metav1.NewUIDPreconditions(string(existing.UID))})
	if err != nil && !apierrors.IsNotFound(err) {
		return in.Cluster.WrapError(err)
	}
	return in.waitUntil(ctx, func() (bool, error) {
		_, err := sets.Get(ctx, desired.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

func sameSizes(a, b *appsv1.StatefulSet) bool {
	for _, x := range a.Spec.VolumeClaimTemplates {
		for _, y := range b.Spec.VolumeClaimTemplates {
			if x.Name == y.Name && x.Spec.Resources.Requests.Storage().Cmp(*y.Spec.Resources.Requests.Storage()) != 0 {
				return false
			}
		}
	}
	return true
}
