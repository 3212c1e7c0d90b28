package check

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/server/sx"
)

// givenSecrets checks that the Secrets that the operator names in the values exist. sx
// creates its own, and cert-manager those of its Certificates.
func givenSecrets(ctx context.Context, env *Env) error {
	objects, err := env.objects()
	if err != nil {
		return err
	}
	names := slices.DeleteFunc(objects.secrets(), func(name string) bool {
		return env.ownSecret(name) || slices.Contains(objects.issued, name)
	})
	if len(names) == 0 {
		return Skip("", "the values name no secret")
	}
	missing, err := env.missingSecrets(ctx, names)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return sx.NewError(sx.CodeInvalid, "secret not found in the namespace %s: %s", env.Cluster.Namespace, strings.Join(missing, ", "))
	}
	return nil
}

// ownSecret reports whether sx creates the Secret.
func (env *Env) ownSecret(name string) bool {
	return slices.ContainsFunc(secrets.Parts(), func(part string) bool { return name == env.Release+"-"+part })
}

// secretsExist checks that the Secrets of the release's pods and its Ingress exist:
// running pods keep what they have read, but no pod could start.
func secretsExist(ctx context.Context, env *Env) error {
	objects, err := env.objects()
	if err != nil {
		return err
	}
	names := objects.secrets()
	for _, name := range objects.tlsSecrets() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	missing, err := env.missingSecrets(ctx, names)
	if err != nil || len(missing) == 0 {
		return err
	}
	problem := sx.NewError(sx.CodeConflict, "secret not found: %s; pods that need it cannot start", strings.Join(missing, ", "))
	for _, part := range []string{secrets.MongoDB, secrets.RabbitMQ} {
		if name := env.Release + "-" + part; slices.Contains(missing, name) {
			return problem.WithHint("restore it from a backup before a pod restarts, because the volume of %s belongs to it; see who uses it with: %s",
				part, env.Cluster.Kubectl("describe", "statefulset", name))
		}
	}
	if slices.ContainsFunc(missing, func(name string) bool { return !env.ownSecret(name) }) {
		return problem.WithHint("create it again, or correct its name in the values; list the existing ones with: %s", env.Cluster.Kubectl("get", "secrets"))
	}
	return problem.WithHint("create it again with: %s", env.Cluster.SX(env.Release, "install"))
}

// missingSecrets returns those of the named Secrets that do not exist.
func (env *Env) missingSecrets(ctx context.Context, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	list, err := env.Cluster.Client.CoreV1().Secrets(env.Cluster.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, env.accessError(err, "list the secrets")
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(list.Items, func(s corev1.Secret) bool { return s.Name == name })
	}), nil
}
