package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"github.com/soundextract/sx/server/sx"
)

// The window of Kubernetes' minor versions. Helm 3.22 is built with the client of
// Kubernetes 1.37 and supports that version and the three before it (Helm's
// version support policy, n-3). The oldest that can work at all is the one that
// the chart demands (kubeVersion in its Chart.yaml).
const (
	oldestMinor = 29
	firstMinor  = 34
	lastMinor   = 37
)

func serverVersion(env *Env) (*version.Info, error) {
	info, err := env.Cluster.Client.Discovery().ServerVersion() // the check's deadline ends the waiting
	if err != nil {
		return nil, sx.NewError(sx.CodeUnavailable, "the API server does not answer: %v", err).WithCause(err)
	}
	return info, nil
}

func apiReachable(_ context.Context, env *Env) error {
	_, err := serverVersion(env)
	return err
}

func kubernetesVersion(_ context.Context, env *Env) error {
	info, err := serverVersion(env)
	if err != nil {
		return err
	}
	minor, err := strconv.Atoi(strings.TrimRight(info.Minor, "+"))
	if err != nil || info.Major != "1" {
		return sx.NewError(sx.CodeInvalid, "the version %q of the cluster is not known", info.GitVersion)
	}
	switch {
	case minor < oldestMinor:
		return &severityOverride{sx.NewError(sx.CodeInvalid, "the cluster has Kubernetes %s; 1.%d is the oldest that the chart works with", info.GitVersion, oldestMinor), Fatal}
	case minor < firstMinor:
		return sx.NewError(sx.CodeInvalid, "the cluster has Kubernetes %s, older than the 1.%d to 1.%d that are supported", info.GitVersion, firstMinor, lastMinor)
	case minor > lastMinor:
		return sx.NewError(sx.CodeInvalid, "the cluster has Kubernetes %s, newer than the 1.%d to 1.%d that are supported", info.GitVersion, firstMinor, lastMinor)
	}
	return nil
}

func podSecurity(ctx context.Context, env *Env) error {
	n, err := env.Cluster.Client.CoreV1().Namespaces().Get(ctx, env.Cluster.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return Skip("", "the namespace %s is yet to be made", env.Cluster.Namespace)
	case apierrors.IsForbidden(err):
		return Skip("", "you may not read the namespace")
	case err != nil:
		return err
	}
	const enforce = "pod-security.kubernetes.io/enforce"
	if level := n.Labels[enforce]; level != "restricted" {
		return sx.NewError(sx.CodeInvalid, "the namespace %s does not enforce the level restricted, which all pods of SoundExtract meet", n.Name).
			WithHint("kubectl --context %s label namespace %s %s=restricted --overwrite", env.Cluster.Context, n.Name, enforce)
	}
	return nil
}

func storageClass(ctx context.Context, env *Env) error {
	objects, err := parse(env.Manifest)
	if err != nil {
		return err
	}
	unnamed := 0
	var named []string
	for _, claim := range objects.claims() {
		if class := claim.Spec.StorageClassName; class == nil {
			unnamed++
		} else if *class != "" && !slices.Contains(named, *class) {
			named = append(named, *class)
		}
	}
	if unnamed == 0 && len(named) == 0 {
		return Skip("", "nothing that is installed needs a class")
	}
	classes, err := env.Cluster.Client.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		return Skip("", "you may not list the storage classes")
	}
	if err != nil {
		return err
	}
	hasDefault := false
	var known []string
	for _, c := range classes.Items {
		known = append(known, c.Name)
		if c.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" || c.Annotations["storageclass.beta.kubernetes.io/is-default-class"] == "true" {
			hasDefault = true
		}
	}
	for _, n := range named {
		if !slices.Contains(known, n) {
			return sx.NewError(sx.CodeInvalid, "the cluster has no storage class %q; it has: %s", n, orDefault(strings.Join(known, ", "), "none"))
		}
	}
	if unnamed > 0 && !hasDefault {
		return sx.NewError(sx.CodeInvalid, "%d volumes name no storage class, and the cluster has no default one; it has: %s", unnamed, orDefault(strings.Join(known, ", "), "none"))
	}
	return nil
}

func orDefault(s, empty string) string {
	if s == "" {
		return empty
	}
	return s
}

// releaseState reads the state that Helm keeps in the labels of its secrets.
func releaseState(ctx context.Context, env *Env) error {
	list, err := env.Cluster.Client.CoreV1().Secrets(env.Cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + env.Release})
	if apierrors.IsForbidden(err) {
		return Skip("", "you may not list secrets in the namespace")
	}
	if err != nil {
		return err
	}
	last, state := 0, ""
	for _, s := range list.Items {
		if revision, _ := strconv.Atoi(s.Labels["version"]); revision > last {
			last, state = revision, s.Labels["status"]
		}
	}
	switch {
	case last == 0:
		return Skip("", "nothing is installed yet")
	case state == "failed":
		return sx.NewError(sx.CodeConflict, "revision %d of the release failed", last)
	case state != "deployed":
		return sx.NewError(sx.CodeConflict, "revision %d of the release is %s: it still goes on, or was cut off", last, state)
	}
	return nil
}

// leftovers compares the data of an earlier install with the passwords it needs.
func leftovers(ctx context.Context, env *Env) error {
	core := env.Cluster.Client.CoreV1()
	for _, component := range []string{"mongodb", "rabbitmq"} {
		name := env.Release + "-" + component
		claims, err := core.PersistentVolumeClaims(env.Cluster.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return denied(err, "list the volume claims")
		}
		var left []string
		for _, c := range claims.Items {
			// StatefulSet claims are TEMPLATE-SET-ORDINAL.
			if set := c.Name[:max(0, strings.LastIndex(c.Name, "-"))]; strings.HasSuffix(set, "-"+name) {
				left = append(left, c.Name)
			}
		}
		_, err = core.Secrets(env.Cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
		missing := apierrors.IsNotFound(err)
		if err != nil && !missing {
			return denied(err, "read the secrets")
		}
		switch {
		case missing && len(left) > 0:
			return sx.NewError(sx.CodeConflict, "the volume claim %s is left of an earlier install, and the secret %s with its password is gone: a new password does not open it", left[0], name)
		// Only MongoDB's: whatever was in RabbitMQ's queues is put there again.
		case component == "mongodb" && !missing && len(left) == 0 && env.keepsData(ctx, name):
			return &severityOverride{sx.NewError(sx.CodeConflict, "the secret %s is left of an earlier install and its volume is gone: the data is lost, or the install was cut off before it was made", name).
				WithHint("nothing, when the data is not missed: sx install uses the secret again"), Warning}
		}
	}
	return nil
}

// keepsData says whether the component is one that has a volume, or will: with an
// external database or without persistence there is none to be missed.
func (env *Env) keepsData(ctx context.Context, name string) bool {
	objects, err := parse(env.Manifest)
	if env.Manifest != "" && err == nil {
		for _, s := range objects.statefulSets {
			if s.Name == name {
				return len(s.Spec.VolumeClaimTemplates) > 0
			}
		}
		return false
	}
	s, err := env.Cluster.Client.AppsV1().StatefulSets(env.Cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
	return err == nil && len(s.Spec.VolumeClaimTemplates) > 0
}

func denied(err error, what string) error {
	if apierrors.IsForbidden(err) {
		return Skip("", "you may not %s in the namespace", what)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func pullSecret(ctx context.Context, env *Env) error {
	objects, err := parse(env.Manifest)
	if err != nil {
		return err
	}
	names := objects.pullSecrets()
	if len(names) == 0 {
		return Skip("", "no pull secret is named")
	}
	for _, name := range names {
		s, err := env.Cluster.Client.CoreV1().Secrets(env.Cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return sx.NewError(sx.CodeInvalid, "the pull secret %s is not in the namespace %s", name, env.Cluster.Namespace)
		case err != nil:
			return denied(err, "read the secrets")
		case s.Type != corev1.SecretTypeDockerConfigJson && s.Type != corev1.SecretTypeDockercfg:
			return sx.NewError(sx.CodeInvalid, "the secret %s is of type %s, not one to pull images with", name, s.Type)
		}
	}
	return nil
}
