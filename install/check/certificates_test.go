package check_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/check"
)

func certificate(t *testing.T, ends time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.Add(-90 * 24 * time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

const withTLS = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec: {tls: [{secretName: public}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: soundextract-gateway}
spec:
  template:
    spec:
      containers: [{name: gateway}]
      volumes: [{name: tls, secret: {secretName: inside}}, {name: smtp, secret: {secretName: mail}}]
`

func TestCertificates(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, tt := range map[string]struct {
		public, inside time.Duration // until they expire
		outcome        check.Outcome
		message, hint  string
	}{
		"valid":   {60 * day, 60 * day, check.OK, "", ""},
		"soon":    {60 * day, 5 * day, check.FoundWarning, "the certificate in the secret inside expires at ", "get secret inside"},
		"expired": {-day, 5 * day, check.FoundFatal, "the certificate in the secret public expired at ", "get secret public"},
	} {
		var objects []runtime.Object
		for secret, left := range map[string]time.Duration{"public": tt.public, "inside": tt.inside} {
			objects = append(objects, &corev1.Secret{ObjectMeta: in(secret), Data: map[string][]byte{"tls.crt": certificate(t, time.Now().Add(left))}})
		}
		e, _ := env(t, objects...)
		e.Manifest = withTLS
		if r := run(t, e, check.Running(), "certificates"); r.Outcome != tt.outcome || !strings.Contains(r.Message, tt.message) || !strings.Contains(r.Hint, tt.hint) {
			t.Errorf("%s: got %+v", name, r)
		}
	}
	e, _ := env(t, &corev1.Secret{ObjectMeta: in("public"), Data: map[string][]byte{"tls.crt": []byte("x")}})
	e.Manifest = withTLS
	if r := run(t, e, check.Running(), "certificates"); r.Outcome != check.FoundWarning || !strings.Contains(r.Message, "no PEM certificate") {
		t.Errorf("got %+v", r)
	}
}

// TestSecrets checks which missing Secrets are reported before an install, and afterwards.
func TestSecrets(t *testing.T) {
	t.Parallel()
	secret := func(name string) runtime.Object { return &corev1.Secret{ObjectMeta: in(name)} }
	const own = "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\nspec: {template: {spec: {volumes: [{name: a, secret: {secretName: soundextract-mongodb}}, {name: b, secret: {secretName: soundextract-admin}}]}}}\n"
	for name, tt := range map[string]struct {
		checks        []check.Check
		objects       []runtime.Object
		outcome       check.Outcome
		message, hint string
	}{
		"before":                {check.Preflight(), nil, check.FoundFatal, "secret not found in the namespace music: inside, mail", "get secrets"},
		"before, given":         {check.Preflight(), []runtime.Object{secret("inside"), secret("mail")}, check.OK, "", ""},
		"after":                 {check.Running(), []runtime.Object{secret("inside"), secret("mail"), secret("soundextract-mongodb"), secret("soundextract-admin")}, check.FoundWarning, "public", "get secrets"},
		"after, our own":        {check.Running(), []runtime.Object{secret("inside"), secret("mail"), secret("public"), secret("soundextract-mongodb")}, check.FoundWarning, "soundextract-admin", "sx install"},
		"after, the database's": {check.Running(), []runtime.Object{secret("inside"), secret("mail"), secret("public"), secret("soundextract-admin")}, check.FoundWarning, "soundextract-mongodb", "restore it from a backup"},
	} {
		e, _ := env(t, tt.objects...)
		e.Manifest = withTLS + own
		if r := run(t, e, tt.checks, "secrets"); r.Outcome != tt.outcome || !strings.Contains(r.Message, tt.message) || !strings.Contains(r.Hint, tt.hint) {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

// TestRole checks that the role has every permission that is required, for the user of the
// kubeconfig.
func TestRole(t *testing.T) {
	t.Parallel()
	e, client := env(t)
	client.PrependReactor("create", "selfsubjectreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{UserInfo: authenticationv1.UserInfo{Username: "system:serviceaccount:ci:deployer"}}}, nil
	})
	text, err := check.Role(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(text, "---\n")
	if len(parts) != 4 {
		t.Fatalf("%d documents:\n%s", len(parts), text)
	}
	var role rbacv1.Role
	var binding rbacv1.RoleBinding
	if err := yaml.UnmarshalStrict([]byte(parts[0]), &role); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(parts[1]), &binding); err != nil {
		t.Fatal(err)
	}
	may := func(verb, group, resource string) bool {
		for _, r := range role.Rules {
			for _, v := range r.Verbs {
				if v == verb && r.APIGroups[0] == group && r.Resources[0] == resource {
					return true
				}
			}
		}
		return false
	}
	for _, want := range [][3]string{
		{"deletecollection", "", "pods"},
		{"create", "", "pods/exec"},
		{"watch", "apps", "statefulsets"},
		{"delete", "apps", "statefulsets"},
		{"create", "coordination.k8s.io", "leases"},
		{"patch", "", "persistentvolumeclaims"},
	} {
		if !may(want[0], want[1], want[2]) {
			t.Errorf("the role lacks %v:\n%s", want, parts[0])
		}
	}
	if role.Namespace != "music" || len(binding.Subjects) != 1 || binding.Subjects[0] != (rbacv1.Subject{Kind: "ServiceAccount", Namespace: "ci", Name: "deployer"}) {
		t.Errorf("got\n%s", text)
	}
}
