package secrets_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/soundextract/sx/install/secrets"
)

// clock is the tests' clock.
type clock struct{ now time.Time }

func (c *clock) advance() { c.now = c.now.Add(time.Minute) }

func newSecrets(objects ...runtime.Object) (*secrets.Secrets, *clock) {
	c := &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	return &secrets.Secrets{
		Client: fake.NewClientset(objects...), Namespace: "music", Release: "sx", Now: func() time.Time { return c.now },
	}, c
}

func secret(part string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "sx-" + part, Namespace: "music"}, Data: map[string][]byte{}}
	for k, v := range data {
		s.Data[k] = []byte(v)
	}
	return s
}

func get(t *testing.T, s *secrets.Secrets, part string) *corev1.Secret {
	t.Helper()
	found, err := s.Client.CoreV1().Secrets("music").Get(t.Context(), "sx-"+part, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func ensure(t *testing.T, s *secrets.Secrets, parts ...string) []string {
	t.Helper()
	prepared, err := s.Prepare(t.Context(), parts)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := s.Store(t.Context(), prepared)
	if err != nil {
		t.Fatal(err)
	}
	if got := revision(t, s); got != prepared.Revision {
		t.Errorf("the revision is %s, prepared was %s", got, prepared.Revision)
	}
	return stored
}

func revision(t *testing.T, s *secrets.Secrets) string {
	t.Helper()
	r, err := s.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCreated checks that all required Secrets are created once and then kept.
func TestCreated(t *testing.T) {
	t.Parallel()
	s, c := newSecrets()
	made := ensure(t, s, secrets.Parts()...)
	if want := []string{"sx-auth-keys", "sx-rabbitmq", "sx-mongodb", "sx-admin", "sx-smoke"}; !slices.Equal(made, want) {
		t.Errorf("created %v, want %v", made, want)
	}
	before, first := map[string]map[string][]byte{}, revision(t, s)
	for _, part := range secrets.Parts() {
		found := get(t, s, part)
		if found.Labels["app.kubernetes.io/managed-by"] != secrets.ManagedBy || found.Labels["app.kubernetes.io/instance"] != "sx" {
			t.Errorf("%s has the labels %v", part, found.Labels)
		}
		before[part] = found.Data
	}
	for name, raw := range before[secrets.AuthKeys] {
		key := parseKey(t, raw)
		if name != "20260301T120000Z.pem" || len(key) != ed25519.PrivateKeySize {
			t.Errorf("the key has the name %s", name)
		}
	}
	// No two users have the same password.
	seen := map[string]string{}
	for part, users := range map[string][]string{
		secrets.RabbitMQ: {"gateway", "converter", "notifier", "monitor"},
		secrets.MongoDB:  {"auth", "gateway", "converter", "notifier"},
	} {
		keys := []string{"password"} // of MongoDB's root user
		if part == secrets.RabbitMQ {
			keys = []string{"erlang-cookie"}
		}
		for _, user := range users {
			keys = append(keys, secrets.PasswordKey(user))
		}
		for _, key := range keys {
			value := string(before[part][key])
			if other := seen[value]; len(value) < 20 || other != "" {
				t.Errorf("%s of %s is %q, and %q is too", key, part, value, other)
			}
			seen[value] = part + " " + key
		}
	}
	if !strings.HasPrefix(string(before[secrets.Admin]["code"]), "sxi_") {
		t.Error("the administrator's code is not a valid invitation")
	}

	c.advance()
	if made := ensure(t, s, secrets.Parts()...); len(made) > 0 {
		t.Errorf("created %v again", made)
	}
	for _, part := range secrets.Parts() {
		if !maps.EqualFunc(get(t, s, part).Data, before[part], bytes.Equal) {
			t.Errorf("%s has changed", part)
		}
	}
	if again := revision(t, s); again != first {
		t.Errorf("the revision has changed from %s to %s", first, again)
	}
}

func parseKey(t *testing.T, raw []byte) ed25519.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(raw)
	if block == nil {
		t.Fatalf("%q is not PEM", raw)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(ed25519.PrivateKey)
}

// TestAdopted checks that Secrets that the operator created are kept, and that
// missing keys are added.
func TestAdopted(t *testing.T) {
	t.Parallel()
	s, _ := newSecrets(
		secret(secrets.RabbitMQ, map[string]string{"gateway-password": "mine"}),
		secret(secrets.AuthKeys, map[string]string{"mine.pem": "my key"}),
		secret(secrets.Admin, map[string]string{"name": "boss", "code": "my-code", "note": "x"}),
	)
	if made := ensure(t, s, secrets.RabbitMQ, secrets.AuthKeys, secrets.Admin); !slices.Equal(made, []string{"sx-rabbitmq"}) {
		t.Errorf("changed %v", made)
	}
	data := get(t, s, secrets.RabbitMQ).Data
	if string(data["gateway-password"]) != "mine" || len(data["converter-password"]) == 0 || len(data["erlang-cookie"]) == 0 {
		t.Errorf("got %q", data)
	}
	if data := get(t, s, secrets.AuthKeys).Data; len(data) != 1 || string(data["mine.pem"]) != "my key" {
		t.Errorf("the keys are %q", data)
	}
}

// TestRevision checks that the revision changes only with the keys that the
// services read.
func TestRevision(t *testing.T) {
	t.Parallel()
	s, _ := newSecrets()
	ensure(t, s, secrets.Parts()...)
	first := revision(t, s)
	set := func(part, key, value string) {
		found := get(t, s, part)
		found.Data[key] = []byte(value)
		if _, err := s.Client.CoreV1().Secrets("music").Update(t.Context(), found, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	set(secrets.Smoke, "password", "other")
	set(secrets.MongoDB, "next-gateway-password", "planned")
	if got := revision(t, s); got != first {
		t.Error("it changed with a key that no service reads")
	}
	seen := map[string]bool{first: true}
	for _, part := range []string{secrets.AuthKeys, secrets.RabbitMQ, secrets.MongoDB, secrets.Admin} {
		set(part, "more.pem", "x")
		if got := revision(t, s); seen[got] {
			t.Errorf("it did not change with %s", part)
		} else {
			seen[got] = true
		}
	}
	empty, _ := newSecrets()
	if _, err := empty.Revision(t.Context()); err != nil {
		t.Errorf("with external RabbitMQ and MongoDB: %v", err)
	}
}
