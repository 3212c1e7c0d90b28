package installer

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/soundextract/sx/install/manifest"
	"github.com/soundextract/sx/server/sx"
)

// checkVolumes refuses a manifest that does not match the existing volumes, which
// Kubernetes would reject later, or RabbitMQ would not start with. back is true for the
// manifest of an earlier revision: volumes that have grown since keep their size.
func (in *Installer) checkVolumes(ctx context.Context, text string, back bool) error {
	sets, err := statefulSets(text)
	if err != nil {
		return err
	}
	for _, desired := range sets {
		if err := in.checkClaimTemplates(ctx, &desired, back); err != nil {
			return err
		}
		if _, err := in.growths(ctx, &desired); err != nil {
			return err
		}
		if desired.Name == in.Release+"-rabbitmq" {
			if err := in.checkRabbitMQNodes(ctx, &desired); err != nil {
				return err
			}
		}
	}
	return nil
}

// statefulSets returns the StatefulSets of a manifest.
func statefulSets(text string) ([]appsv1.StatefulSet, error) {
	objects, err := manifest.Parse(text)
	if err != nil {
		return nil, err
	}
	var all []appsv1.StatefulSet
	for _, o := range objects {
		if o.GetKind() != "StatefulSet" {
			continue
		}
		var set appsv1.StatefulSet
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &set); err != nil {
			return nil, fmt.Errorf("read %s: %w", manifest.Name(o), err)
		}
		all = append(all, set)
	}
	return all, nil
}

// checkClaimTemplates refuses smaller volumes of an existing StatefulSet, except in a
// rollback, and another StorageClass, which Kubernetes does not allow.
func (in *Installer) checkClaimTemplates(ctx context.Context, desired *appsv1.StatefulSet, back bool) error {
	existing, err := in.Cluster.Client.AppsV1().StatefulSets(in.Cluster.Namespace).Get(ctx, desired.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	component := strings.TrimPrefix(desired.Name, in.Release+"-")
	for _, w := range desired.Spec.VolumeClaimTemplates {
		for _, t := range existing.Spec.VolumeClaimTemplates {
			if w.Name == t.Name {
				if err := in.checkClaimTemplate(component, t, w, back); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (in *Installer) checkClaimTemplate(component string, existing, desired corev1.PersistentVolumeClaim, back bool) error {
	current, wants := existing.Spec.Resources.Requests[corev1.ResourceStorage], desired.Spec.Resources.Requests[corev1.ResourceStorage]
	if current.Cmp(wants) > 0 && !back {
		return sx.NewError(sx.CodeInvalid, "the volumes of %s have %s and cannot shrink to %s", component, current.String(), wants.String()).
			WithHint("keep the size with: %s", in.set(component+".persistence.size", current.String()))
	}
	if class := desired.Spec.StorageClassName; class != nil && existing.Spec.StorageClassName != nil && *class != *existing.Spec.StorageClassName {
		return sx.NewError(sx.CodeInvalid, "the volumes of %s have the storage class %s and cannot be changed to %s", component, *existing.Spec.StorageClassName, *class).
			WithHint("keep the class with: %s", in.set(component+".persistence.storageClass", *existing.Spec.StorageClassName))
	}
	return nil
}

// checkRabbitMQNodes refuses fewer RabbitMQ nodes than have stored data, the data of
// an uninstalled release included: the remaining nodes would lack the majority of the
// members that they know and would not start
// (https://www.rabbitmq.com/docs/clustering-ha).
func (in *Installer) checkRabbitMQNodes(ctx context.Context, desired *appsv1.StatefulSet) error {
	replicas := 1
	if desired.Spec.Replicas != nil {
		replicas = int(*desired.Spec.Replicas)
	}
	claims, err := in.Cluster.Client.CoreV1().PersistentVolumeClaims(in.Cluster.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	nodes := replicas
	for _, t := range desired.Spec.VolumeClaimTemplates {
		for _, c := range claims.Items {
			ordinal, of := strings.CutPrefix(c.Name, t.Name+"-"+desired.Name+"-")
			n, err := strconv.Atoi(ordinal)
			// A claim that is not bound has never stored data.
			if of && err == nil && n >= replicas && c.Status.Phase == corev1.ClaimBound {
				nodes = max(nodes, n+1)
			}
		}
	}
	if nodes == replicas {
		return nil
	}
	return sx.NewError(sx.CodeInvalid, "RabbitMQ has stored data on %d nodes and cannot be scaled down to %d: without a majority of its nodes it would not start", nodes, replicas).
		WithHint("keep them with: %s (docs/install.md describes how to start again with fewer)", in.set("rabbitmq.replicas", strconv.Itoa(nodes)))
}

// set returns the sx install command that sets a value.
func (in *Installer) set(name, value string) string {
	return in.Cluster.SX(in.Release, "install", "--set", name+"="+value)
}
