package secrets

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
)

// Exec runs a command in a container of a pod, with the text on its standard
// input, and gives what it printed. Its error holds what it complained of.
type Exec func(ctx context.Context, pod, container string, command []string, stdin string) (string, error)

// Rotate changes what a part's Secret holds, and what the running server knows
// of it. The services have to read it anew afterwards: see Revision. If it is cut
// off, the next one goes on: the new password is written down before the server
// learns it.
func (s *Secrets) Rotate(ctx context.Context, part string, exec Exec) error {
	secret, err := s.api().Get(ctx, s.Name(part), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the Secret %s: %w", s.Name(part), err)
	}
	if part == AuthKeys {
		return s.rotateKeys(ctx, secret)
	}
	if len(secret.Data[keyNext]) == 0 {
		secret.Data[keyNext] = []byte(rand.Text())
		if secret, err = s.api().Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("write down the new password: %w", err)
		}
	}
	tell := s.changeRabbitMQPassword
	if part == MongoDB {
		tell = s.changeMongoDBPassword
	}
	if err := tell(ctx, secret.Data, exec); err != nil {
		return sx.NewError(sx.CodeUnavailable, "%s did not take the new password: %v", part, err).
			WithHint("nothing has changed for the services; the same command tries again").WithCause(err)
	}
	secret.Data[keyPassword] = secret.Data[keyNext]
	delete(secret.Data, keyNext)
	secret.Data[keyURI] = []byte(s.uri(part, secret.Data))
	if _, err := s.api().Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("store the new password: %w", err)
	}
	return nil
}

// previousKey is the name of the key before where its own would make it the last
// one, which signs: an operator may have named it.
const previousKey = "0" + keySuffix

// rotateKeys adds a key and keeps the one that signed until now: with it tokens
// that are out there are checked until they end.
func (s *Secrets) rotateKeys(ctx context.Context, secret *corev1.Secret) error {
	fresh := s.keyName()
	var keys []string
	for _, name := range slices.Sorted(maps.Keys(secret.Data)) {
		if strings.HasSuffix(name, keySuffix) {
			keys = append(keys, name)
		}
	}
	data := map[string][]byte{}
	if len(keys) > 0 {
		former := keys[len(keys)-1]
		name := former
		if name >= fresh {
			name = previousKey
		}
		data[name] = secret.Data[former]
	}
	data[fresh] = []byte(newKey())
	secret.Data = data
	if _, err := s.api().Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("store the new key: %w", err)
	}
	return nil
}

func (s *Secrets) changeRabbitMQPassword(ctx context.Context, data map[string][]byte, exec Exec) error {
	_, err := exec(ctx, s.Name(RabbitMQ)+"-0", "rabbitmq",
		[]string{"rabbitmqctl", "change_password", string(data[keyUsername])}, string(data[keyNext])+"\n")
	return err
}

// changeMongoDBPassword signs in with the old password or, where an earlier rotation was
// cut off after the server had learned it, with the new one. The script goes
// over standard input, because arguments can be seen by others.
func (s *Secrets) changeMongoDBPassword(ctx context.Context, data map[string][]byte, exec Exec) error {
	const script = `let admin;
try { admin = connect(%[1]q); } catch (e) { admin = connect(%[2]q); }
admin.changeUserPassword(%[3]q, %[4]q);
connect(%[2]q).runCommand({ping: 1}).ok && print("changed");
`
	at := func(password []byte) string {
		return (&url.URL{
			Scheme: "mongodb", User: url.UserPassword(string(data[keyUsername]), string(password)),
			Host: "127.0.0.1:27017", Path: "/admin",
		}).String()
	}
	out, err := exec(ctx, s.Name(MongoDB)+"-0", "mongodb", []string{"mongosh", "--nodb", "--quiet"},
		fmt.Sprintf(script, at(data[keyPassword]), at(data[keyNext]), data[keyUsername], data[keyNext]))
	if err == nil && !strings.Contains(out, "changed") {
		err = fmt.Errorf("mongosh says: %s", redact(out, data))
	}
	return err
}

// redact takes the passwords out of what a program said.
func redact(out string, data map[string][]byte) string {
	for _, key := range []string{keyPassword, keyNext} {
		out = strings.ReplaceAll(out, string(data[key]), "…")
	}
	return strings.TrimSpace(out)
}
