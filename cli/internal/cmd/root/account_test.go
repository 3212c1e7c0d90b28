package root_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/testkit/gateway"
)

func TestAccount(t *testing.T) {
	dir := home(t)
	server := gateway.New(t)
	t.Setenv("SX_SERVER", server.URL)

	run(t, "whoami").wantPart(t, 77, "not signed in to ", "sx login", "sx register")
	sxIn(t, "correct horse\r\n", nil, "register", "Anna", "--password-stdin", "--json").wantPart(t, 0, `"name":"anna"`)
	run(t, "whoami").wantPart(t, 0, "anna at "+server.URL+"\nrole      user\nsign-in   until 2", ", or longer if it is used before\nstorage   0 B used\n")
	run(t, "whoami", "--json").wantPart(t, 0, `{"id":"`+server.User("anna").ID+`","name":"anna","created":"2`, `"credential":{"kind":"sign_in","expires":"2`, `"server":"`+server.URL+`","usage":{"bytes":0,"uploads":0,`)
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
	t.Setenv("SX_SERVER", gateway.New(t).URL)
	run(t, "login", "anna").wantPart(t, 64, "without a terminal", "--password-stdin")
	run(t, "register").wantPart(t, 64, "account name required")
	sxIn(t, "", nil, "login", "anna", "--password-stdin").wantPart(t, 65, "no password on standard input")
	sxIn(t, "short", nil, "register", "anna", "--password-stdin").wantPart(t, 65, "the password is too short", "8 to 1024")
	sxIn(t, "correct horse", nil, "register", "a/b", "--password-stdin").wantPart(t, 65, "invalid account name")
}

func TestDeletionIsConfirmed(t *testing.T) {
	server := signIn(t)
	const question = "Type the account's name to confirm: "
	for name, args := range map[string][]string{"anna": {"account", "delete"}, "bob": {"admin", "delete", "bob"}} {
		sxIn(t, "carl\n", terminal, args...).wantPart(t, 65,
			"This deletes "+name+" at "+server.URL+" and everything stored for it.\n"+question,
			"the name does not match; nothing was deleted")
		run(t, args...).wantPart(t, 64, "deleting an account requires --yes if sx cannot ask for confirmation", "add --yes")
	}
	run(t, "admin", "delete", "anna", "--yes").wantPart(t, 1, "anna is your own account", "sx account delete")
	run(t, "whoami").wantPart(t, 0, "anna at ")
	t.Setenv("SX_TOKEN", "sxp_k3q5aaaaaaaa")
	run(t, "account", "delete", "--yes").wantPart(t, 77, "a personal token cannot delete the account", "SX_TOKEN")
}

func TestLogoutWithUnreachableServer(t *testing.T) {
	server := signIn(t)
	// The same account, with a server that does not exist.
	path := filepath.Join(filepath.Dir(os.Getenv("SX_CONFIG")), "credentials.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const gone = "http://127.0.0.1:1"
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(raw), server.URL, gone)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SX_SERVER", gone)
	run(t, "logout").want(t, 0, "Signed out anna from "+gone+"\n",
		"warning: the session could not be ended on the server: no response from 127.0.0.1:1\n")
	run(t, "logout").want(t, 0, "Not signed in to "+gone+"\n", "")
	// There is nothing to sign in to either, and that is what must be said.
	run(t, "whoami").wantPart(t, 69, "no server at 127.0.0.1:1", "sx up -d")
}

func TestAccountsAreKept(t *testing.T) {
	server := signIn(t)
	sxIn(t, "correct horse", nil, "register", "bob", "--password-stdin").
		wantPart(t, 0, "Created account bob", "also signed in: anna; switch with: sx auth switch anna")
	run(t, "whoami").wantPart(t, 0, "bob at ")
	run(t, "auth", "switch").want(t, 0, "Switched to anna at "+server.URL+"\n", "")
	run(t, "whoami").wantPart(t, 0, "anna at ")
	run(t, "auth", "status").want(t, 0, "*\t"+server.URL+"\tanna\tfile\n\t"+server.URL+"\tbob\tfile\n", "")
	run(t, "auth", "switch", "carl").wantPart(t, 65, "carl is not signed in to "+server.URL, "sx login carl")
	run(t, "auth", "logout", "bob").want(t, 0, "Signed out bob from "+server.URL+"\n", "")
	run(t, "auth", "switch").wantPart(t, 65, "no other account is signed in")
	sxIn(t, "correct horse", nil, "auth", "login", "bob", "--password-stdin").wantPart(t, 0, "as bob", "also signed in: anna")
	run(t, "logout").wantPart(t, 0, "Signed out bob", "also signed in: anna")
	// Which account is used next is the user's decision.
	run(t, "whoami").wantPart(t, 77, "not signed in", "use another account with: sx auth switch anna")
	run(t, "auth", "status").wantPart(t, 77, "\tanna\t", "not signed in to "+server.URL)
	run(t, "__complete", "auth", "switch", "").wantPart(t, 0, "anna\n")

	// Another server has sign-ins of its own.
	t.Setenv("SX_SERVER", gateway.New(t).URL)
	sxIn(t, "correct horse", nil, "register", "anna", "--password-stdin").wantPart(t, 0, "Created account anna")
	run(t, "auth", "status", "--json").wantPart(t, 0, `{"server":"`+server.URL+`","account":"anna","in_use":false,"by":"file"}`)
	t.Setenv("SX_TOKEN", "sxp_aaaaaaaaaaaaaaaaaaaaaaaa")
	run(t, "auth", "status").wantPart(t, 0, "*\t", "\tSX_TOKEN\n")
}

// TestRegistrationIsAskedFirst checks that nobody chooses a password for an account that
// the server does not create.
func TestRegistrationIsAskedFirst(t *testing.T) {
	home(t)
	server := gateway.New(t)
	t.Setenv("SX_SERVER", server.URL)
	host := strings.TrimPrefix(server.URL, "http://")
	answer(server, map[string]any{"GET " + api.PathRegister: api.Registration{Mode: api.RegistrationInvitation}})
	sxIn(t, "", terminal, "register", "anna").want(t, 77, "", "error: "+host+" accepts new accounts by invitation only\n"+
		"hint: ask its administrator for an invitation code, then use: sx register anna --invitation\n")
	run(t, "register").wantPart(t, 77, "sx register NAME --invitation")
	// The server decides about a code.
	sxIn(t, "sxi_x\ncorrect horse", nil, "register", "anna", "--invitation", "--password-stdin").wantPart(t, 77, "invitation")
	// Neither is a code without a password, nor the other way round.
	for _, in := range []string{"sxi_x", "sxi_x\n", "\ncorrect horse\n", ""} {
		for _, args := range [][]string{{"register", "anna", "--invitation"}, {"login", "--code"}} {
			sxIn(t, in, nil, append(args, "--password-stdin")...).wantPart(t, 65, "standard input", "hint: ")
		}
	}
	run(t, "register", "anna", "--invitation").wantPart(t, 64, "without a terminal", "--password-stdin")
	answer(server, map[string]any{"GET " + api.PathRegister: api.Registration{Mode: api.RegistrationClosed}})
	sxIn(t, "", terminal, "register", "anna").want(t, 77, "", "error: "+host+" accepts no new accounts\n"+
		"hint: ask its administrator for an account; if you have one, use: sx login\n")
}

// TestWhoamiOfAnAdministrator uses a token, and an account with limits.
func TestWhoamiOfAnAdministrator(t *testing.T) {
	home(t)
	server := gateway.New(t)
	t.Setenv("SX_SERVER", server.URL)
	sxIn(t, gateway.AdminCode+"\ncorrect horse", nil, "register", gateway.Admin, "--invitation", "--password-stdin").wantPart(t, 0, "Created account")
	run(t, "whoami").wantPart(t, 0, "administrator at "+server.URL+"\nrole      administrator\nsign-in   until ")
	token := run(t, "token", "create", "nightly", "--expires", "7d")
	token.wantPart(t, 0, "sxp_")
	t.Setenv("SX_TOKEN", strings.TrimSpace(token.out))
	until := time.Now().Add(7 * 24 * time.Hour).Format(time.DateOnly)
	run(t, "whoami").wantPart(t, 0, "token     nightly, until "+until+"\nstorage   0 B used\n")

	bytes, uploads, perDay := int64(2_000_000_000), 5, 100
	answer(server, map[string]any{"GET " + api.PathUsage: api.Usage{
		Bytes: 1_234_000_000, Uploads: 3, Today: 7, Limits: api.Limits{Bytes: &bytes, Uploads: &uploads, JobsPerDay: &perDay},
	}})
	run(t, "whoami").wantPart(t, 0, "storage   1.2 GB of 2.0 GB used\nuploads   3 of 5 unfinished\ntoday     7 of 100 jobs created (days begin at midnight UTC)\n")
	run(t, "whoami", "--json").wantPart(t, 0, `"admin":true`, `"credential":{"kind":"personal_token","name":"nightly"`,
		`"usage":{"bytes":1234000000,"uploads":3,"today":7,"limits":{"bytes":2000000000,"uploads":5,"jobs_per_day":100`)
}
