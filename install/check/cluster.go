package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"github.com/soundextract/sx/server/sx"
)

// The supported minor versions of Kubernetes. Helm 3.22 is built with the client of
// Kubernetes 1.37 and supports that version and the three before it (its version
// support policy, n-3). oldestMinor is what the chart requires (kubeVersion in its
// Chart.yaml).
const (
	oldestMinor = 29
	firstMinor  = 34
	lastMinor   = 37
)

func serverVersion(env *Env) (*version.Info, error) {
	info, err := env.Cluster.Client.Discovery().ServerVersion() // bounded by the check's timeout
	if err != nil {
		return nil, sx.NewError(sx.CodeUnavailable, "the API server does not respond: %v", err).WithCause(err)
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
		return sx.NewError(sx.CodeInvalid, "unknown Kubernetes version %q", info.GitVersion)
	}
	switch {
	case minor < oldestMinor:
		return &severityOverride{sx.NewError(sx.CodeInvalid, "the cluster runs Kubernetes %s; the chart requires 1.%d or later", info.GitVersion, oldestMinor), Fatal}
	case minor < firstMinor:
		return sx.NewError(sx.CodeInvalid, "the cluster runs Kubernetes %s, older than the supported versions 1.%d to 1.%d", info.GitVersion, firstMinor, lastMinor)
	case minor > lastMinor:
		return sx.NewError(sx.CodeInvalid, "the cluster runs Kubernetes %s, newer than the supported versions 1.%d to 1.%d", info.GitVersion, firstMinor, lastMinor)
	}
	return nil
}

func podSecurity(ctx context.Context, env *Env) error {
	n, err := env.Cluster.Client.CoreV1().Namespaces().Get(ctx, env.Cluster.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return Skip("", "the namespace %s does not exist yet", env.Cluster.Namespace)
	case err != nil:
		return env.accessError(err, "read the namespace")
	}
	const enforce = "pod-security.kubernetes.io/enforce"
	if level := n.Labels[enforce]; level != "restricted" {
		return sx.NewError(sx.CodeInvalid, "the namespace %s does not enforce the Pod Security level restricted, which all pods of SoundExtract meet", n.Name).
			WithHint("%s", env.Cluster.Kubectl("label", "namespace", n.Name, enforce+"=restricted", "--overwrite"))
	}
	return nil
}

func storageClass(ctx context.Context, env *Env) error {
	objects, err := env.objects()
	if err != nil {
		return err
	}
	named, unnamed := requestedClasses(objects)
	if len(named) == 0 && unnamed == 0 {
		return Skip("", "the release has no volumes that need a storage class")
	}
	list, err := env.Cluster.Client.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return env.accessError(err, "list the storage classes")
	}
	var existing []string
	for _, c := range list.Items {
		existing = append(existing, c.Name)
	}
	available := cmp.Or(strings.Join(existing, ", "), "none")
	for _, name := range named {
		if !slices.Contains(existing, name) {
			return sx.NewError(sx.CodeInvalid, "storage class %q not found; available: %s", name, available)
		}
	}
	if unnamed > 0 && !slices.ContainsFunc(list.Items, isDefaultClass) {
		return sx.NewError(sx.CodeInvalid, "%d volumes name no storage class, and the cluster has no default one; available: %s", unnamed, available)
	}
	return nil
}

// requestedClasses lists the storage classes that the claims name, and counts the
// claims that leave it to the cluster's default.
func requestedClasses(o *objects) (named []string, unnamed int) {
	for _, claim := range o.claims() {
		class := claim.Spec.StorageClassName
		switch {
		case class == nil:
			unnamed++
		case *class != "": // "" requests a volume without a class
			named = append(named, *class)
		}
	}
	return named, unnamed
}

func isDefaultClass(c storagev1.StorageClass) bool {
	return c.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" ||
		c.Annotations["storageclass.beta.kubernetes.io/is-default-class"] == "true"
}

// releaseState reads the state of the release from the labels of Helm's Secrets.
func releaseState(ctx context.Context, env *Env) error {
	list, err := env.Cluster.Client.CoreV1().Secrets(env.Cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + env.Release})
	if err != nil {
		return env.accessError(err, "list the secrets")
	}
	last, state := 0, ""
	for _, s := range list.Items {
		if revision, _ := strconv.Atoi(s.Labels["version"]); revision > last {
			last, state = revision, s.Labels["status"]
		}
	}
	switch {
	case last == 0:
		return Skip("", "not installed")
	case state == "failed":
		return sx.NewError(sx.CodeConflict, "revision %d of the release failed", last)
	case state != "deployed":
		if env.locked(ctx) {
			return Pass("an operation on the release is in progress")
		}
		return sx.NewError(sx.CodeConflict, "revision %d of the release is %s: the operation is in progress or was interrupted", last, state)
	}
	return nil
}

// renewed is how recently the process that works on a release has renewed its lock, which
// it does every 5 s. The rest is for clocks that differ.
const renewed = 30 * time.Second

// locked reports whether a process of sx works on the release. Helm has no lock.
func (env *Env) locked(ctx context.Context) bool {
	lease, err := env.Cluster.Client.CoordinationV1().Leases(env.Cluster.Namespace).Get(ctx, env.Release+"-sx", metav1.GetOptions{})
	return err == nil && lease.Spec.RenewTime != nil && time.Since(lease.Spec.RenewTime.Time).Abs() < renewed
}

// leftovers compares the volumes of an earlier install with the Secrets that
// they require.
func leftovers(ctx context.Context, env *Env) error {
	core := env.Cluster.Client.CoreV1()
	for _, component := range []string{"mongodb", "rabbitmq"} {
		name := env.Release + "-" + component
		claims, err := core.PersistentVolumeClaims(env.Cluster.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return env.accessError(err, "list the volume claims")
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
			return env.accessError(err, "read the secrets")
		}
		switch {
		case missing && len(left) > 0:
			return sx.NewError(sx.CodeConflict, "the volume claim %s is left from an earlier install, but the secret %s with its password is missing: a new password cannot open it", left[0], name)
		// Only MongoDB loses data: messages that RabbitMQ loses are published again.
		case component == "mongodb" && !missing && len(left) == 0 && env.hasVolume(ctx, name):
			return &severityOverride{sx.NewError(sx.CodeConflict, "the secret %s is left from an earlier install, but its volume is missing: the data is lost, or the install was interrupted before the volume was created", name).
				WithHint("if no data is missing, do nothing: the next install uses the secret again"), Warning}
		}
	}
	return nil
}

// hasVolume reports whether the component has a volume, or will have one: an external
// database has none.
func (env *Env) hasVolume(ctx context.Context, name string) bool {
	objects, err := env.objects()
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

// accessError skips a check that the operator lacks the permission for; it
// wraps other errors of the cluster.
func (env *Env) accessError(err error, action string) error {
	err = env.Cluster.WrapError(fmt.Errorf("%s: %w", action, err))
	if sx.CodeOf(err) == sx.CodeForbidden {
		return Skip("", "no permission to %s", action)
	}
	return err
}

func pullSecret(ctx context.Context, env *Env) error {
	objects, err := env.objects()
	if err != nil {
		return err
	}
	names := objects.pullSecrets()
	if len(names) == 0 {
		return Skip("", "the release names no pull secret")
	}
	for _, name := range names {
		s, err := env.Cluster.Client.CoreV1().Secrets(env.Cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return sx.NewError(sx.CodeInvalid, "pull secret %s not found in the namespace %s", name, env.Cluster.Namespace)
		case err != nil:
			return env.accessError(err, "read the secrets")
		case s.Type != corev1.SecretTypeDockerConfigJson && s.Type != corev1.SecretTypeDockercfg:
			return sx.NewError(sx.CodeInvalid, "the secret %s has the type %s, which cannot be used to pull images", name, s.Type)
		}
	}
	return nil
}
