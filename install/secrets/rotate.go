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

// Exec runs a command in a container of a pod, with stdin as its standard input,
// and returns its standard output. The error includes its error output.
type Exec func(ctx context.Context, pod, container string, command []string, stdin string) (string, error)

// Rotate changes the credentials in a part's Secret and in the running server.
// The services must read them again afterwards: see Revision. The next rotation
// continues an interrupted one, because the new password is stored before it is
// set in the server.
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
			return fmt.Errorf("store the planned password: %w", err)
		}
	}
	change := s.changeRabbitMQPassword
	if part == MongoDB {
		change = s.changeMongoDBPassword
	}
	if err := change(ctx, secret.Data, exec); err != nil {
		return sx.NewError(sx.CodeUnavailable, "%s did not accept the new password: %v", part, err).
			WithHint("nothing has changed for the services; run the same command again").WithCause(err)
	}
	secret.Data[keyPassword] = secret.Data[keyNext]
	delete(secret.Data, keyNext)
	secret.Data[keyURI] = []byte(s.uri(part, secret.Data))
	if _, err := s.api().Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("store the new password: %w", err)
	}
	return nil
}

// previousKey is the new name of the previous key if its own name, perhaps
// chosen by an operator, would sort after the new key: the last one signs.
const previousKey = "0" + keySuffix

// rotateKeys adds a key and keeps the current one, which verifies tokens that
// have not expired.
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

func (s *Secrets) changeRabbitMQPassword(ctx context.Context, data map[string][]byte, exec Exec) error {
	_, err := exec(ctx, s.Name(RabbitMQ)+"-0", "rabbitmq",
		[]string{"rabbitmqctl", "change_password", string(data[keyUsername])}, string(data[keyNext])+"\n")
	return err
}

// changeMongoDBPassword signs in with the old password or, if an earlier rotation was
// interrupted after the server had changed it, with the new one. The script is sent
// over standard input, because others can see arguments.
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
		err = fmt.Errorf("mongosh: %s", redact(out, data))
	}
	return err
}

// redact removes the passwords from a program's output.
func redact(out string, data map[string][]byte) string {
	for _, key := range []string{keyPassword, keyNext} {
		out = strings.ReplaceAll(out, string(data[key]), "…")
	}
	return strings.TrimSpace(out)
}
