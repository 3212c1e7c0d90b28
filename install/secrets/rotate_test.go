package secrets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

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
	users []string // of RabbitMQ
}

func (s *server) exec(_ context.Context, pod, container string, command []string, stdin string) (string, error) {
	s.calls = append(s.calls, call{pod, container, command, stdin})
	if s.err != nil {
		return "", s.err
	}
	var list []map[string]string
	for _, user := range s.users {
		list = append(list, map[string]string{"user": user, "configure": "^$", "write": "^of " + user + "$", "read": "^$"})
	}
	switch command[1] {
	case "list_permissions", "list_users":
		out, err := json.Marshal(list)
		return string(out), err
	case "import_definitions":
		var definitions struct{ Permissions []struct{ User string } }
		if err := json.Unmarshal([]byte(stdin), &definitions); err != nil {
			return "", err
		}
		for _, p := range definitions.Permissions {
			s.users = append(s.users, p.User)
		}
	case "delete_user":
		s.users = slices.DeleteFunc(s.users, func(u string) bool { return u == command[2] })
	}
	return "changed\n", nil
}

// sent returns all that the server received over standard input.
func (s *server) sent() string {
	var all strings.Builder
	for _, c := range s.calls {
		all.WriteString(c.stdin)
	}
	return all.String()
}

func rabbitMQUsers() []string { return []string{"converter", "gateway", "monitor", "notifier"} }

// TestRotatedUsers checks that a rotation gives each service another user, and that the
// previous ones are removed only by Retire. The second rotation returns to the first names.
func TestRotatedUsers(t *testing.T) {
	t.Parallel()
	for _, part := range []string{secrets.RabbitMQ, secrets.MongoDB} {
		s, _ := newSecrets()
		ensure(t, s, part)
		there := &server{users: rabbitMQUsers()}
		for _, name := range []string{"gateway-b", "gateway"} {
			before, first := get(t, s, part).Data, revision(t, s)
			there.calls = nil
			if err := s.Rotate(t.Context(), part, there.exec); err != nil {
				t.Fatal(err)
			}
			after := get(t, s, part).Data
			if got := string(after["gateway-username"]); got != name {
				t.Errorf("%s: the gateway's user is %s, want %s", part, got, name)
			}
			var arguments strings.Builder
			for _, c := range there.calls {
				if c.pod != "sx-"+part+"-0" || c.container != part {
					t.Errorf("%s: %+v was sent to another container", part, c)
				}
				arguments.WriteString(strings.Join(c.command, " "))
			}
			for key, value := range after {
				switch {
				case strings.HasPrefix(key, "next-"):
					t.Errorf("%s: %s is left", part, key)
				case !strings.HasSuffix(key, "password"):
					continue
				case string(value) == string(before[key]) || !strings.Contains(there.sent(), string(value)):
					t.Errorf("%s: %s is %q, was %q, and the server received %q", part, key, value, before[key], there.sent())
				case strings.Contains(arguments.String(), string(value)):
					t.Errorf("%s: %s is among the arguments, which others can see", part, key)
				}
			}
			if string(after["erlang-cookie"]) != string(before["erlang-cookie"]) || revision(t, s) == first {
				t.Errorf("%s: the cookie has changed, or the revision has not", part)
			}
			retired(t, s, part, there, string(before["gateway-username"]))
		}
		if part == secrets.RabbitMQ && !slices.Equal(slices.Sorted(slices.Values(there.users)), rabbitMQUsers()) {
			t.Errorf("left are the users %q", there.users)
		}
	}
}

// retired checks that a further rotation waits for Retire, and that it removes the user.
func retired(t *testing.T, s *secrets.Secrets, part string, there *server, user string) {
	t.Helper()
	now := revision(t, s)
	there.calls = nil
	if err := s.Rotate(t.Context(), part, there.exec); err != nil || len(there.calls) > 0 || revision(t, s) != now {
		t.Errorf("%s: a rotation before the previous users are removed: %v, %+v", part, err, there.calls)
	}
	if retiring, err := s.Retiring(t.Context(), part); !retiring || err != nil {
		t.Errorf("%s: nothing to remove: %v", part, err)
	}
	if err := s.Retire(t.Context(), part, there.exec); err != nil {
		t.Fatal(err)
	}
	if retiring, err := s.Retiring(t.Context(), part); retiring || err != nil {
		t.Errorf("%s: there still is something to remove: %v", part, err)
	}
	removed := func(c call) bool {
		return slices.Equal(c.command, []string{"rabbitmqctl", "delete_user", user}) || strings.Contains(c.stdin, fmt.Sprintf("remove(%q)", user))
	}
	if !slices.ContainsFunc(there.calls, removed) || revision(t, s) != now {
		t.Errorf("%s: %s was not removed, or the services would restart again: %+v", part, user, there.calls)
	}
}

// TestInterruptedRotation checks that wherever a rotation is interrupted, the
// next one results in a password that both the server and the Secret have.
func TestInterruptedRotation(t *testing.T) {
	t.Parallel()
	for _, part := range []string{secrets.RabbitMQ, secrets.MongoDB} {
		s, _ := newSecrets()
		ensure(t, s, part)
		const key = "gateway-password"
		old := string(get(t, s, part).Data[key])

		unavailable := &server{err: errors.New("container not found")}
		err := s.Rotate(t.Context(), part, unavailable.exec)
		if sx.CodeOf(err) != sx.CodeUnavailable || sx.AsError(err).Hint == "" {
			t.Errorf("%s: got %v", part, err)
		}
		planned := string(get(t, s, part).Data["next-"+key])
		if planned == "" || string(get(t, s, part).Data[key]) != old {
			t.Errorf("%s: the services' password is not the server's", part)
		}

		// The server gets the password, but the Secret is not stored.
		fakes := s.Client.(*fake.Clientset)
		chain := fakes.ReactionChain
		fakes.PrependReactor("update", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, errors.New("the connection broke")
		})
		there := &server{users: rabbitMQUsers()}
		if err := s.Rotate(t.Context(), part, there.exec); err == nil {
			t.Errorf("%s: the Secret could not be stored, but there is no error", part)
		}
		if !strings.Contains(there.sent(), planned) {
			t.Errorf("%s: it received another password", part)
		}
		fakes.ReactionChain = chain

		there.calls = nil
		if err := s.Rotate(t.Context(), part, there.exec); err != nil {
			t.Fatal(err)
		}
		if got := string(get(t, s, part).Data[key]); got != planned || !strings.Contains(there.sent(), planned) {
			t.Errorf("%s: the server has %s, the Secret %s", part, planned, got)
		}

		// The Secret is stored; the previous users cannot be removed at first.
		if err := s.Retire(t.Context(), part, unavailable.exec); sx.CodeOf(err) != sx.CodeUnavailable || sx.AsError(err).Hint == "" {
			t.Errorf("%s: got %v", part, err)
		}
		for range 2 {
			if err := s.Retire(t.Context(), part, there.exec); err != nil {
				t.Errorf("%s: %v", part, err)
			}
		}
	}
}

// TestMongoDBRefuses checks that the script's last line counts, not its exit
// code, and that its output is reported without the passwords.
func TestMongoDBRefuses(t *testing.T) {
	t.Parallel()
	s, _ := newSecrets(secret(secrets.MongoDB, map[string]string{"username": "me", "password": `q"uote\`}))
	err := s.Rotate(t.Context(), secrets.MongoDB, func(_ context.Context, _, _ string, _ []string, stdin string) (string, error) {
		if !strings.Contains(stdin, `"mongodb://me:q%22uote%5C@localhost:27017/admin"`) {
			t.Errorf("the script is\n%s", stdin)
		}
		return `MongoServerError: Authentication failed with q"uote\`, nil
	})
	if err == nil || !strings.Contains(err.Error(), "Authentication failed") || strings.Contains(err.Error(), "uote") {
		t.Errorf("got %v", err)
	}
}

// TestRotatedKeys checks that the new key signs ten minutes later, when all auth pods know
// it, that the previous key is kept, whatever its name, and that a repeated rotation changes
// nothing until then.
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
			c.now = c.now.Add(10 * time.Minute)
			from := c.now.Add(10*time.Minute).Format("20060102T150405Z") + ".pem"
			if err := s.Rotate(t.Context(), secrets.AuthKeys, nil); err != nil {
				t.Fatal(err)
			}
			found := get(t, s, secrets.AuthKeys)
			c.now = c.now.Add(10*time.Minute - time.Second)
			if err := s.Rotate(t.Context(), secrets.AuthKeys, nil); err != nil {
				t.Fatal(err)
			}
			if again := get(t, s, secrets.AuthKeys); !maps.EqualFunc(again.Data, found.Data, bytes.Equal) {
				t.Errorf("%s: the keys %q were replaced by %q before the last one signed", name, keys(found), keys(again))
			}
			after := keys(found)
			if len(after) != 2 || after[1] != from || string(found.Data[after[0]]) != string(signer) {
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
	s, _ := newSecrets(secret(secrets.MongoDB, map[string]string{"username": "mine"}))
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
