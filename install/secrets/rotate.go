package secrets

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
)

// Exec runs a command in a container of a pod, with stdin as its standard input,
// and returns its standard output. The error includes its error output.
type Exec func(ctx context.Context, pod, container string, command []string, stdin string) (string, error)

// Rotate stores new credentials in a part's Secret. MongoDB and RabbitMQ have two users for
// each service by turns: Rotate creates the other one, whose name and password the services
// must then read (see Revision), and Retire removes the previous one once no pod uses it.
// If a rotation was interrupted before Retire, Rotate creates no further users.
//
// Whatever is interrupted, the next rotation continues, because the new passwords are stored
// before they are set in the server.
func (s *Secrets) Rotate(ctx context.Context, part string, exec Exec) error {
	secret, err := s.api().Get(ctx, s.Name(part), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the Secret %s: %w", s.Name(part), err)
	}
	if part == AuthKeys {
		return s.rotateKeys(ctx, secret)
	}
	if len(previous(secret, part)) > 0 {
		return nil
	}
	if planned(secret, part) {
		if secret, err = s.api().Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("store the planned passwords: %w", err)
		}
	}
	create := s.createRabbitMQUsers
	if part == MongoDB {
		create = s.createMongoDBUsers
	}
	if err := create(ctx, secret.Data, exec); err != nil {
		return refused(part, "the new users", err)
	}
	for _, user := range users(part) {
		secret.Data[previousPrefix+UsernameKey(user)] = secret.Data[UsernameKey(user)]
	}
	for _, key := range rotated(part) {
		secret.Data[key] = secret.Data[nextPrefix+key]
		delete(secret.Data, nextPrefix+key)
	}
	if _, err := s.api().Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("store the new passwords: %w", err)
	}
	return nil
}

// Retiring reports whether Retire has something to do.
func (s *Secrets) Retiring(ctx context.Context, part string) (bool, error) {
	secret, err := s.api().Get(ctx, s.Name(part), metav1.GetOptions{})
	if err != nil {
		return false, fmt.Errorf("read the Secret %s: %w", s.Name(part), err)
	}
	return len(previous(secret, part)) > 0, nil
}

// Retire removes the users that the last rotation replaced, so that their passwords are
// no longer accepted.
func (s *Secrets) Retire(ctx context.Context, part string, exec Exec) error {
	secret, err := s.api().Get(ctx, s.Name(part), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the Secret %s: %w", s.Name(part), err)
	}
	remove := s.removeRabbitMQUsers
	if part == MongoDB {
		remove = s.removeMongoDBUsers
	}
	if err := remove(ctx, secret.Data, previous(secret, part), exec); err != nil {
		return refused(part, "the removal of the previous users", err)
	}
	for _, user := range users(part) {
		delete(secret.Data, previousPrefix+UsernameKey(user))
	}
	if _, err := s.api().Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("store that the previous users are removed: %w", err)
	}
	return nil
}

func refused(part, what string, err error) error {
	return sx.NewError(sx.CodeUnavailable, "%s did not accept %s: %v", part, what, err).
		WithHint("run the same command again to continue").WithCause(err)
}

// previous lists the names of the users that the last rotation replaced and that still exist.
func previous(secret *corev1.Secret, part string) []string {
	var names []string
	for _, user := range users(part) {
		if name := secret.Data[previousPrefix+UsernameKey(user)]; len(name) > 0 {
			names = append(names, string(name))
		}
	}
	return names
}

// rotated lists the keys that a rotation replaces. MongoDB's root user keeps its name,
// because only programs in the cluster's own pods use it, and they read the Secret each time.
func rotated(part string) []string {
	var keys []string
	for _, user := range users(part) {
		keys = append(keys, UsernameKey(user), PasswordKey(user))
	}
	if part == MongoDB {
		keys = append(keys, keyPassword)
	}
	return keys
}

// planned adds what an interrupted rotation has not planned yet, and reports whether it
// added anything.
func planned(secret *corev1.Secret, part string) bool {
	added := false
	for _, key := range rotated(part) {
		if len(secret.Data[nextPrefix+key]) > 0 {
			continue
		}
		value := rand.Text()
		if strings.HasSuffix(key, usernameSuffix) {
			value = alternate(string(secret.Data[key]))
		}
		secret.Data[nextPrefix+key] = []byte(value)
		added = true
	}
	return added
}

// alternate returns the name of a service's other user.
func alternate(name string) string {
	const suffix = "-b"
	if first, ok := strings.CutSuffix(name, suffix); ok {
		return first
	}
	return name + suffix
}

// previousKey becomes the name of the previous key if its own name, perhaps chosen by an
// operator, would sort after the new key's: the last key signs.
const previousKey = "0" + keySuffix

// keyLead is the time from a rotation until the new key signs. It is enough for the restart
// of all auth pods: a token of a key that one of them does not know yet would be refused.
const keyLead = 10 * time.Minute

// rotateKeys adds a key and keeps the current one, which signs until the new one does, and
// then verifies tokens that have not expired. While the last new key does not sign yet, it
// adds no other, so that an interrupted rotation can be run again.
func (s *Secrets) rotateKeys(ctx context.Context, secret *corev1.Secret) error {
	var keys []string
	for _, name := range slices.Sorted(maps.Keys(secret.Data)) {
		if strings.HasSuffix(name, keySuffix) {
			keys = append(keys, name)
		}
	}
	fresh := keyFile(s.Now())
	if len(keys) > 0 {
		last, err := time.Parse(keyTime, strings.TrimSuffix(keys[len(keys)-1], keySuffix))
		if err == nil && last.After(s.Now()) {
			return nil
		}
		fresh = keyFile(s.Now().Add(keyLead))
	}
	data := map[string][]byte{}
	if len(keys) > 0 {
		previous := keys[len(keys)-1]
		name := previous
		if name >= fresh {
			name = previousKey
		}
		data[name] = secret.Data[previous]
	}
	data[fresh] = []byte(newKey())
	secret.Data = data
	if _, err := s.api().Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("store the new key: %w", err)
	}
	return nil
}
