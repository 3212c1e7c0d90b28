package root_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/testkit/gateway"
)

func TestAccount(t *testing.T) {
	dir := home(t)
	server := gateway.New(t)
	t.Setenv("SX_SERVER", server.URL)

	run(t, "whoami").wantPart(t, 77, "not signed in to ", "sx login", "sx register")
	sxIn(t, "correct horse\r\n", nil, "register", "Anna", "--password-stdin", "--json").wantPart(t, 0, `"name":"anna"`)
	run(t, "whoami").wantPart(t, 0, "anna at "+server.URL+"\nrole      user\nsign-in   until 2", ", or longer if it is used before\nstorage   0 B used\n")
	run(t, "whoami", "--json").wantPart(t, 0, `{"id":"`+server.User("anna").ID+`","name":"anna","created":"2`, `"credential":{"kind":"sign_in","expires":"2`, `"server":"`+server.URL+`","usage":{"bytes":0}}`)
	raw, err := os.ReadFile(filepath.Join(dir, "credentials.json"))
	if err != nil || strings.Contains(string(raw), "correct horse") {
		t.Errorf("credentials: %v, %s", err, raw)
	}

	run(t, "logout").want(t, 0, "Signed out anna from "+server.URL+"\n", "")
	run(t, "logout", "--json").want(t, 0, `{"name":"","server":"`+server.URL+`"}`+"\n", "")
	sxIn(t, "correct horse", nil, "register", "anna", "--password-stdin").wantPart(t, 65, "the name anna is taken")
	sxIn(t, "wrong horse", nil, "login", "anna", "--password-stdin").wantPart(t, 77, "wrong name or password", "hint:")
	sxIn(t, "correct horse\n", nil, "login", "anna", "--password-stdin").
		want(t, 0, "Signed in to "+server.URL+" as anna\n", "")

	server.EndSessions("anna")
	run(t, "whoami").wantPart(t, 77, "the session of anna at ", "has ended", "sx login")
	run(t, "whoami").wantPart(t, 77, "not signed in")
}

func TestPasswordsWithoutTerminal(t *testing.T) {
	home(t)
	run(t, "login", "anna").wantPart(t, 64, "without a terminal", "--password-stdin")
	run(t, "register").wantPart(t, 64, "account name required")
	sxIn(t, "", nil, "login", "anna", "--password-stdin").wantPart(t, 65, "no password on standard input")
	sxIn(t, "short", nil, "register", "anna", "--password-stdin").wantPart(t, 65, "the password is too short", "8 to 1024")
	sxIn(t, "correct horse", nil, "register", "a/b", "--password-stdin").wantPart(t, 65, "invalid account name")
}

func TestLogoutWithUnreachableServer(t *testing.T) {
	server := signIn(t)
	// The same account, with a server that does not exist.
	t.Setenv("SX_SERVER", "")
	config := os.Getenv("SX_CONFIG")
	for _, url := range []string{server.URL, "http://127.0.0.1:1"} {
		if err := os.WriteFile(config, []byte("context: a\ncontexts: {a: {server: '"+url+"'}}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if url == server.URL {
			sxIn(t, "correct horse", nil, "login", "anna", "--password-stdin").wantPart(t, 0)
		}
	}
	run(t, "logout").want(t, 0, "Signed out anna from http://127.0.0.1:1\n",
		"warning: the session could not be ended on the server: no response from 127.0.0.1:1\n")
	run(t, "whoami").wantPart(t, 77, "not signed in")
}
