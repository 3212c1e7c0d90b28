// Package secrets generates the Secrets of a release, once. They are not part of the
// Helm release, so that they outlive it together with the data that needs them.
package secrets

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// The parts of a release that have a Secret: RELEASE-auth-keys and so on.
const (
	AuthKeys = "auth-keys" // NAME.pem: Ed25519 in PKCS #8; the last name signs
	RabbitMQ = "rabbitmq"  // erlang-cookie, and USER-username and USER-password of each service and of monitor
	MongoDB  = "mongodb"   // username and password of root, and USER-username and USER-password of each service
	Admin    = "admin"     // code of the first administrator
	Smoke    = "smoke"     // name and password of the Helm test's account
)

// Parts returns all parts that have a Secret.
func Parts() []string { return []string{AuthKeys, RabbitMQ, MongoDB, Admin, Smoke} }

// The keys in the Secrets.
const (
	keyUsername = "username"
	keyPassword = "password"
	keyCookie   = "erlang-cookie"
	keyName     = "name"
	keyCode     = "code"

	nextPrefix     = "next-"     // of what is planned: see Rotate
	previousPrefix = "previous-" // of a user who is replaced: see Retire
	usernameSuffix = "-username" // after the name of a service
	passwordSuffix = "-password" // after the name of a service
)

// Monitor is the RabbitMQ user that may only read the number of waiting messages, for sx
// doctor and KEDA.
const Monitor = "monitor"

// UsernameKey is the key of the name of a service's user.
func UsernameKey(service string) string { return service + usernameSuffix }

// PasswordKey is the key of the password of a service's user.
func PasswordKey(service string) string { return service + passwordSuffix }

// users lists the services that have a user in a part.
func users(part string) []string {
	if part == MongoDB {
		return sx.Services()
	}
	busless := func(service string) bool { return service == "auth" }
	return append(slices.DeleteFunc(slices.Clone(sx.Services()), busless), Monitor)
}

// ManagedBy is the label value of objects that sx created itself.
const ManagedBy = "sx"

// Root is the name of MongoDB's root user.
const Root = "soundextract"

// Secrets are the Secrets of one release.
type Secrets struct {
	Client    kubernetes.Interface
	Namespace string
	Release   string
	Now       func() time.Time
}

// Name returns the name of a part's Secret.
func (s *Secrets) Name(part string) string { return s.Release + "-" + part }

func (s *Secrets) api() typed.SecretInterface { return s.Client.CoreV1().Secrets(s.Namespace) }

// Prepared are the Secrets of an install before they are stored.
type Prepared struct {
	Revision string // see Secrets.Revision: with the Secrets stored
	Existing string // the current Secrets
	create   []*corev1.Secret
	update   []*corev1.Secret
	stored   map[string]*corev1.Secret // by name, those that exist
}

// Change is a Secret that is missing, or that lacks keys.
type Change struct {
	Before *corev1.Secret // nil if it does not exist
	After  *corev1.Secret
}

// Changes lists what Store would change.
func (p *Prepared) Changes() []Change {
	var all []Change
	for _, s := range slices.Concat(p.create, p.update) {
		all = append(all, Change{Before: p.stored[s.Name], After: s})
	}
	return all
}

// Prepare generates the Secrets that parts lack, and the keys that existing Secrets lack.
// It never replaces an existing value, and stores nothing.
func (s *Secrets) Prepare(ctx context.Context, parts []string) (*Prepared, error) {
	p := &Prepared{stored: map[string]*corev1.Secret{}}
	stored, complete := map[string]*corev1.Secret{}, map[string]*corev1.Secret{}
	for _, part := range Parts() {
		secret, err := s.api().Get(ctx, s.Name(part), metav1.GetOptions{})
		switch {
		case err == nil:
			stored[part], complete[part] = secret, secret.DeepCopy()
			p.stored[secret.Name] = secret
			if slices.Contains(parts, part) && s.complete(part, complete[part]) {
				p.update = append(p.update, complete[part])
			}
		case !apierrors.IsNotFound(err):
			return nil, fmt.Errorf("read the Secret %s: %w", s.Name(part), err)
		case slices.Contains(parts, part):
			complete[part] = s.newSecret(part)
			p.create = append(p.create, complete[part])
		}
	}
	p.Existing, p.Revision = revision(stored), revision(complete)
	return p, nil
}

// Store stores the changes of Prepare and returns the names of the Secrets that
// it created or changed. It fails if one was changed since Prepare.
func (s *Secrets) Store(ctx context.Context, p *Prepared) ([]string, error) {
	var names []string
	for _, secret := range p.create {
		if _, err := s.api().Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			return names, fmt.Errorf("create the Secret %s: %w", secret.Name, err)
		}
		names = append(names, secret.Name)
	}
	for _, secret := range p.update {
		if _, err := s.api().Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
			return names, fmt.Errorf("complete the Secret %s: %w", secret.Name, err)
		}
		names = append(names, secret.Name)
	}
	return names, nil
}

// Generate returns new Secrets of all parts, for an installation whose Secrets sx does
// not create. It does not access the cluster.
func (s *Secrets) Generate() []*corev1.Secret {
	var all []*corev1.Secret
	for _, part := range Parts() {
		secret := s.newSecret(part)
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		delete(secret.Labels, "app.kubernetes.io/managed-by")
		all = append(all, secret)
	}
	return all
}

func (s *Secrets) newSecret(part string) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: s.Name(part), Namespace: s.Namespace,
		Labels: map[string]string{
			"app.kubernetes.io/name": "soundextract", "app.kubernetes.io/instance": s.Release,
			"app.kubernetes.io/component": part, "app.kubernetes.io/managed-by": ManagedBy,
		},
	}}
	s.complete(part, secret)
	return secret
}

// complete adds missing keys and reports whether any were missing.
func (s *Secrets) complete(part string, secret *corev1.Secret) bool {
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	before := len(secret.Data)
	add := func(key, value string) {
		if len(secret.Data[key]) == 0 {
			secret.Data[key] = []byte(value)
		}
	}
	switch part {
	case AuthKeys:
		if before == 0 {
			add(keyFile(s.Now()), newKey())
		}
	case RabbitMQ:
		add(keyCookie, rand.Text())
	case MongoDB:
		add(keyUsername, Root)
		add(keyPassword, rand.Text())
	case Admin:
		add(keyCode, api.InvitationPrefix+rand.Text())
	case Smoke:
		add(keyName, "smoke-test")
		add(keyPassword, rand.Text())
		add(keyCode, api.InvitationPrefix+rand.Text())
	}
	if part == RabbitMQ || part == MongoDB {
		for _, user := range users(part) {
			add(UsernameKey(user), user)
			add(PasswordKey(user), rand.Text())
		}
	}
	return len(secret.Data) > before
}

// keyTime is the format of the time in the name of a signing key that auth expects
// (server/internal/token).
const keyTime = "20060102T150405Z"

// keyFile returns the name of a signing key that signs from the given time on.
func keyFile(from time.Time) string { return from.UTC().Format(keyTime) + keySuffix }

// keySuffix is the suffix of signing keys; auth ignores other names.
const keySuffix = ".pem"

func newKey() string {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // an Ed25519 key can always be encoded
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// Revision returns a digest of the keys that the services read from the
// Secrets. Their pods are restarted when it changes.
func (s *Secrets) Revision(ctx context.Context) (string, error) {
	p, err := s.Prepare(ctx, nil)
	if err != nil {
		return "", err
	}
	return p.Existing, nil
}

func revision(secrets map[string]*corev1.Secret) string {
	sum := sha256.New()
	for _, part := range []string{AuthKeys, RabbitMQ, MongoDB, Admin, Smoke} {
		secret := secrets[part]
		if secret == nil {
			continue // external
		}
		for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
			if !strings.HasPrefix(key, nextPrefix) && !strings.HasPrefix(key, previousPrefix) && (part != Smoke || key == keyCode) {
				_, _ = fmt.Fprintf(sum, "%s %s %d %s\n", part, key, len(secret.Data[key]), secret.Data[key])
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// Existing returns the names of the release's Secrets that exist.
func (s *Secrets) Existing(ctx context.Context) ([]string, error) {
	var names []string
	for _, part := range Parts() {
		_, err := s.api().Get(ctx, s.Name(part), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the Secret %s: %w", s.Name(part), err)
		}
		names = append(names, s.Name(part))
	}
	return names, nil
}

// Remove deletes the release's Secrets, including the operator's own: without
// the data, nothing needs them.
func (s *Secrets) Remove(ctx context.Context) error {
	for _, part := range Parts() {
		err := s.api().Delete(ctx, s.Name(part), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete the Secret %s: %w", s.Name(part), err)
		}
	}
	return nil
}
