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

	authentication "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func (o *operator) createNamespace() {
	o.t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.namespace}}
	if _, err := cluster.Client.CoreV1().Namespaces().Create(o.ctx, namespace, metav1.CreateOptions{}); err != nil {
		o.t.Fatal(err)
	}
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
	t.Parallel()
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
	reader := *o
	reader.kubeconfig = filepath.Join(o.home, "reader.kubeconfig")
	reader.writeKubeconfig(cluster.Config.Host, token.Status.Token, o.clusterCA())
}
