package secrets_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/server/sx"
)

// call is a command that was run in a pod.
type call struct {
	pod, container string
	command        []string
	stdin          string
}

// server is a fake server that accepts every password.
type server struct {
	calls []call
	err   error
}

func (s *server) exec(_ context.Context, pod, container string, command []string, stdin string) (string, error) {
	s.calls = append(s.calls, call{pod, container, command, stdin})
	if s.err != nil {
		return "", s.err
	}
	return "changed\n", nil
}

func TestRotatedPasswords(t *testing.T) {
	t.Parallel()
	for _, part := range []string{secrets.RabbitMQ, secrets.MongoDB} {
		s, _ := newSecrets()
		ensure(t, s, part)
		before, first := get(t, s, part).Data, revision(t, s)
		there := &server{}
		if err := s.Rotate(t.Context(), part, there.exec); err != nil {
			t.Fatal(err)
		}
		after := get(t, s, part).Data
		fresh := string(after["password"])
		if fresh == string(before["password"]) || len(after["next-password"]) > 0 || !strings.Contains(string(after["uri"]), fresh) {
			t.Errorf("%s: got %q", part, after)
		}
		if string(after["erlang-cookie"]) != string(before["erlang-cookie"]) || revision(t, s) == first {
			t.Errorf("%s: the cookie has changed, or the revision has not", part)
		}
		c := there.calls[0]
		if len(there.calls) != 1 || c.pod != "sx-"+part+"-0" || c.container != part || !strings.Contains(c.stdin, fresh) {
			t.Errorf("%s: it received %+v", part, there.calls)
		}
		if strings.Contains(strings.Join(c.command, " "), fresh) {
			t.Errorf("%s: the password is among the arguments, which others can see", part)
		}
	}
}

// TestInterruptedRotation checks that wherever a rotation is interrupted, the
// next one results in a password that both the server and the Secret have.
func TestInterruptedRotation(t *testing.T) {
	t.Parallel()
	for _, part := range []string{secrets.RabbitMQ, secrets.MongoDB} {
		s, _ := newSecrets()
		ensure(t, s, part)
		old := string(get(t, s, part).Data["password"])

		unavailable := &server{err: errors.New("container not found")}
		err := s.Rotate(t.Context(), part, unavailable.exec)
		if sx.CodeOf(err) != sx.CodeUnavailable || sx.AsError(err).Hint == "" {
			t.Errorf("%s: got %v", part, err)
		}
		planned := string(get(t, s, part).Data["next-password"])
		if planned == "" || string(get(t, s, part).Data["password"]) != old {
			t.Errorf("%s: the services' password is not the server's", part)
		}

		// The server gets the password, but the Secret is not stored.
		fakes := s.Client.(*fake.Clientset)
		chain := fakes.ReactionChain
		fakes.PrependReactor("update", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, errors.New("the connection broke")
		})
		there := &server{}
		if err := s.Rotate(t.Context(), part, there.exec); err == nil {
			t.Errorf("%s: the Secret could not be stored, but there is no error", part)
		}
		fakes.ReactionChain = chain

		if err := s.Rotate(t.Context(), part, there.exec); err != nil {
			t.Fatal(err)
		}
		if got := string(get(t, s, part).Data["password"]); got != planned {
			t.Errorf("%s: the server has %s, the Secret %s", part, planned, got)
		}
		for _, c := range append(unavailable.calls, there.calls...) {
			if !strings.Contains(c.stdin, planned) {
				t.Errorf("%s: it received another password", part)
			}
		}
	}
}

// TestMongoDBRefuses checks that the script's last line counts, not its exit
// code, and that its output is reported without the passwords.
func TestMongoDBRefuses(t *testing.T) {
	t.Parallel()
	s, _ := newSecrets(secret(secrets.MongoDB, map[string]string{"username": "me", "password": `q"uote\`, "uri": "x"}))
	err := s.Rotate(t.Context(), secrets.MongoDB, func(_ context.Context, _, _ string, _ []string, stdin string) (string, error) {
		if !strings.Contains(stdin, `"mongodb://me:q%22uote%5C@127.0.0.1:27017/admin"`) {
			t.Errorf("the script is\n%s", stdin)
		}
		return `MongoServerError: Authentication failed with q"uote\`, nil
	})
	if err == nil || !strings.Contains(err.Error(), "Authentication failed") || strings.Contains(err.Error(), "uote") {
		t.Errorf("got %v", err)
	}
}

// TestRotatedKeys checks that the key with the last name signs, and that the
// previous key is kept, whatever its name.
func TestRotatedKeys(t *testing.T) {
	t.Parallel()
	for name, given := range map[string][]string{
		"created by sx":        {},
		"created by the chart": {"0.pem"},
		"the operator's":       {"our key.pem", "README"},
		"two":                  {"20250101T000000Z.pem", "20250201T000000Z.pem"},
	} {
		data := map[string]string{}
		for _, n := range given {
			data[n] = "key " + n
		}
		s, c := newSecrets()
		if len(given) > 0 {
			s, c = newSecrets(secret(secrets.AuthKeys, data))
		}
		ensure(t, s, secrets.AuthKeys)
		for range 3 {
			before := keys(get(t, s, secrets.AuthKeys))
			signer := get(t, s, secrets.AuthKeys).Data[before[len(before)-1]]
			c.advance()
			if err := s.Rotate(t.Context(), secrets.AuthKeys, nil); err != nil {
				t.Fatal(err)
			}
			found := get(t, s, secrets.AuthKeys)
			after := keys(found)
			if len(after) != 2 || after[1] != c.now.Format("20060102T150405Z")+".pem" || string(found.Data[after[0]]) != string(signer) {
				t.Fatalf("%s: the keys were %q and are %q", name, before, after)
			}
			parseKey(t, found.Data[after[1]])
		}
	}
}

func keys(s *corev1.Secret) []string {
	names := slices.Sorted(maps.Keys(s.Data))
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".pem") })
}

// TestRemoved checks that all Secrets of the release are removed, and those of
// others are kept.
func TestRemoved(t *testing.T) {
	t.Parallel()
	s, _ := newSecrets(secret(secrets.MongoDB, map[string]string{"uri": "mine"}))
	ensure(t, s, secrets.AuthKeys, secrets.MongoDB)
	other := *s
	other.Release = "other"
	ensure(t, &other, secrets.RabbitMQ)
	if there, err := s.Existing(t.Context()); err != nil || !slices.Equal(there, []string{"sx-auth-keys", "sx-mongodb"}) {
		t.Errorf("got %v, %v", there, err)
	}
	for range 2 {
		if err := s.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	left, err := s.Client.CoreV1().Secrets("music").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) != 1 || left.Items[0].Name != "other-rabbitmq" {
		t.Errorf("left are %v, %v", left.Items, err)
	}
}
