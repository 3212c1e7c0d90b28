//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	authentication "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// TestFailures provokes each common failure in a cluster: sx must report its
// cause in time, and the installation must succeed once the cause is removed.
func TestFailures(t *testing.T) {
	tests := []struct {
		name  string
		make  func(o *operator)
		args  []string
		code  int
		words []string
		soon  time.Duration // maximum time until the report; zero means the --timeout
	}{
		{
			name: "image", args: []string{"--set", "gateway.image.tag=no-such-tag"},
			code: 1, words: []string{"soundextract-gateway", "no-such-tag", "image"}, soon: 3 * time.Minute,
		},
		{
			name: "crash", make: (*operator).brokenKey,
			code: 1, words: []string{"soundextract-auth", "invalid setting keys", "kubectl"}, soon: 3 * time.Minute,
		},
		{
			name: "claim", args: []string{"--set", "mongodb.persistence.storageClass=no-such-class"},
			code: 1, words: []string{"no-such-class"}, soon: 2 * time.Minute,
		},
		{
			name: "unschedulable", args: []string{"--set", "converter.resources.requests.cpu=900", "--set", "converter.resources.limits.cpu=900"},
			code: 1, words: []string{"soundextract-converter", "Insufficient cpu"}, soon: 3 * time.Minute,
		},
		{
			name: "quota", make: (*operator).quota,
			code: 1, words: []string{"the quota four-pods leaves 4 of pods"}, soon: 2 * time.Minute,
		},
		{
			name: "webhook", make: (*operator).refusingWebhook,
			code: 1, words: []string{"no-pods.e2e.soundextract.io"}, soon: 2 * time.Minute,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOperator(within(t, 10*time.Minute), t, "e2e-"+tt.name)
			if tt.make != nil {
				tt.make(o)
			}
			start := time.Now()
			o.refused(tt.code, tt.words, o.install(tt.args...)...)
			if took := time.Since(start); took > tt.soon {
				t.Errorf("the report took %v", took)
			}
			t.Logf("reported after %.0f s", time.Since(start).Seconds())
			o.recovered()
		})
	}
}

// recovered removes the cause of a failure and installs again.
func (o *operator) recovered() {
	o.t.Helper()
	ignore := func(err error) {
		if err != nil && !apierrors.IsNotFound(err) {
			o.t.Fatal(err)
		}
	}
	ignore(cluster.Client.CoreV1().ResourceQuotas(o.namespace).Delete(o.ctx, "four-pods", metav1.DeleteOptions{}))
	ignore(cluster.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(o.ctx, webhookName, metav1.DeleteOptions{}))
	s, err := cluster.Client.CoreV1().Secrets(o.namespace).Get(o.ctx, "soundextract-auth-keys", metav1.GetOptions{})
	ignore(err)
	if err == nil && s.Data["broken.pem"] != nil {
		ignore(cluster.Client.CoreV1().Secrets(o.namespace).Delete(o.ctx, s.Name, metav1.DeleteOptions{}))
	}
	if o.t.Name() == "TestFailures/claim" {
		// A claim's class cannot be changed, so the empty volume is deleted.
		o.sx(o.at("uninstall", "--wipe-data", "--confirm", "soundextract")...)
	}
	o.sx(o.install("--reset-values")...)
	o.sx(o.at("status", "--wait")...)
}

func (o *operator) createNamespace() {
	o.t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.namespace, Labels: map[string]string{"e2e": o.namespace}}}
	if _, err := cluster.Client.CoreV1().Namespaces().Create(o.ctx, namespace, metav1.CreateOptions{}); err != nil {
		o.t.Fatal(err)
	}
}

// brokenKey creates an invalid signing key, so that auth cannot start.
func (o *operator) brokenKey() {
	o.t.Helper()
	o.createNamespace()
	_, err := cluster.Client.CoreV1().Secrets(o.namespace).Create(o.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "soundextract-auth-keys"},
		StringData: map[string]string{"broken.pem": "not a key"},
	}, metav1.CreateOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *operator) quota() {
	o.t.Helper()
	o.createNamespace()
	_, err := cluster.Client.CoreV1().ResourceQuotas(o.namespace).Create(o.ctx, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "four-pods"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("4")}},
	}, metav1.CreateOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
}

const webhookName = "no-pods.e2e.soundextract.io"

// refusingWebhook makes the namespace's pods depend on an admission webhook
// that does not exist.
func (o *operator) refusingWebhook() {
	o.t.Helper()
	o.createNamespace()
	fail, none := admission.Fail, admission.SideEffectClassNone
	hook := &admission.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: webhookName},
		Webhooks: []admission.ValidatingWebhook{{
			Name:              webhookName,
			FailurePolicy:     &fail,
			SideEffects:       &none,
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"e2e": o.namespace}},
			ClientConfig: admission.WebhookClientConfig{
				Service: &admission.ServiceReference{Namespace: o.namespace, Name: "nobody"},
			},
			Rules: []admission.RuleWithOperations{{
				Operations: []admission.OperationType{admission.Create},
				Rule:       admission.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
	hooks := cluster.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if _, err := hooks.Create(o.ctx, hook, metav1.CreateOptions{}); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() {
		if err := hooks.Delete(context.Background(), webhookName, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			o.t.Error(err)
		}
	})
}

// TestRefusals covers installations that must be rejected before anything in the
// cluster changes.
func TestRefusals(t *testing.T) {
	o := newOperator(within(t, 5*time.Minute), t, "e2e-refusals")
	o.refused(65, []string{"gateway", "replicas"}, o.install("--set", "gateway.replicas=many")...)
	o.refused(65, []string{"gatway"}, o.install("--set", "gatway.replicas=2")...)
	o.refused(65, []string{"no-such-file"}, o.install("-f", "no-such-file.yaml")...)
	o.refused(64, []string{"preset"}, o.install("--preset", "enormous")...)
	o.refused(65, []string{"context \"nowhere\" not found"}, o.install("--context", "nowhere")...)

	manifests := o.sx(o.install("--dry-run")...)
	if !strings.Contains(manifests, "kind: StatefulSet") || strings.Contains(manifests, "==>") {
		t.Errorf("--dry-run prints\n%.500s", manifests)
	}
	o.nothingLeft()

	o.unreachableCluster()
	o.refused(69, []string{"cluster"}, o.install()...)
}

// unreachableCluster makes the operator use a cluster that does not respond.
func (o *operator) unreachableCluster() {
	o.t.Helper()
	o.kubeconfig = filepath.Join(o.t.TempDir(), "kubeconfig")
	o.writeKubeconfig("https://127.0.0.1:1", "none", nil)
}

func (o *operator) writeKubeconfig(server, token string, ca []byte) {
	o.t.Helper()
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: %q, certificate-authority-data: %q}}]
users: [{name: test, user: {token: %q}}]
`, server, base64.StdEncoding.EncodeToString(ca), token)
	if err := os.WriteFile(o.kubeconfig, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// TestPermissions installs as a user with read permissions only, and then with the role that
// sx doctor prints.
func TestPermissions(t *testing.T) {
	o := newOperator(within(t, 8*time.Minute), t, "e2e-permissions")
	o.createNamespace()
	o.reader()
	o.kubeconfig = filepath.Join(o.home, "reader.kubeconfig")
	o.refused(77, []string{"missing permissions", "create", "deployments.apps"}, o.install()...)
	if left := o.objects(); strings.Contains(strings.Join(left, " "), "soundextract") {
		t.Errorf("left behind: %v", left)
	}

	o.grant(o.sx(o.at("doctor", "--role")...))
	o.sx(o.install()...)
	if r := o.try(o.at("doctor", "--json")...); strings.Contains(r.stdout, "no permission") || strings.Contains(r.stdout, "missing permissions") {
		t.Errorf("sx doctor lacks permissions:\n%s", r.all())
	}
	o.sx(o.at("status")...)
	o.sx(o.at("secrets", "rotate", "all", "--yes")...)
	o.sx(o.at("uninstall", "--wipe-data", "--confirm", "soundextract")...)
}

// grant applies the objects that sx doctor --role prints, as an administrator does.
func (o *operator) grant(text string) {
	o.t.Helper()
	roles := cluster.Client.RbacV1()
	for document := range strings.SplitSeq(text, "---\n") {
		var err error
		switch {
		case strings.Contains(document, "kind: RoleBinding\nmeta"):
			_, err = roles.RoleBindings(o.namespace).Create(o.ctx, decoded[rbac.RoleBinding](o, document), metav1.CreateOptions{})
		case strings.Contains(document, "kind: Role\nmeta"):
			_, err = roles.Roles(o.namespace).Create(o.ctx, decoded[rbac.Role](o, document), metav1.CreateOptions{})
		case strings.Contains(document, "kind: ClusterRoleBinding\nmeta"):
			made := decoded[rbac.ClusterRoleBinding](o, document)
			_, err = roles.ClusterRoleBindings().Create(o.ctx, made, metav1.CreateOptions{})
			o.t.Cleanup(func() {
				_ = roles.ClusterRoleBindings().Delete(context.Background(), made.Name, metav1.DeleteOptions{})
			})
		case strings.Contains(document, "kind: ClusterRole\nmeta"):
			made := decoded[rbac.ClusterRole](o, document)
			_, err = roles.ClusterRoles().Create(o.ctx, made, metav1.CreateOptions{})
			o.t.Cleanup(func() { _ = roles.ClusterRoles().Delete(context.Background(), made.Name, metav1.DeleteOptions{}) })
		default:
			o.t.Fatalf("an object of another kind:\n%s", document)
		}
		if err != nil {
			o.t.Fatal(err)
		}
	}
}

func decoded[T any](o *operator, document string) *T {
	o.t.Helper()
	var v T
	if err := yaml.UnmarshalStrict([]byte(document), &v); err != nil {
		o.t.Fatal(err)
	}
	return &v
}

// reader creates a service account with read permissions only, and reader.kubeconfig for it
// in the operator's home directory.
func (o *operator) reader() {
	o.t.Helper()
	_, err := cluster.Client.CoreV1().ServiceAccounts(o.namespace).Create(o.ctx,
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "reader"}}, metav1.CreateOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	_, err = cluster.Client.RbacV1().RoleBindings(o.namespace).Create(o.ctx, &rbac.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		RoleRef:    rbac.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbac.Subject{{Kind: "ServiceAccount", Name: "reader", Namespace: o.namespace}},
	}, metav1.CreateOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	token, err := cluster.Client.CoreV1().ServiceAccounts(o.namespace).CreateToken(o.ctx, "reader",
		&authentication.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	ca := cluster.Config.CAData
	if len(ca) == 0 {
		if ca, err = os.ReadFile(cluster.Config.CAFile); err != nil {
			o.t.Fatal(err)
		}
	}
	reader := *o
	reader.kubeconfig = filepath.Join(o.home, "reader.kubeconfig")
	reader.writeKubeconfig(cluster.Config.Host, token.Status.Token, ca)
}
