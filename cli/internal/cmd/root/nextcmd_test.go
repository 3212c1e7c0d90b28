package root_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// answer makes the server send fixed responses, by method and path.
func answer(server *gateway.Server, answers map[string]any) {
	server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		body, ok := answers[r.Method+" "+r.URL.Path]
		if ok {
			api.Write(w, http.StatusOK, body)
		}
		return ok
	}
}

// TestSuggestedCommandsKeepServer runs commands with --server, which the commands
// that they suggest must repeat.
func TestSuggestedCommandsKeepServer(t *testing.T) {
	server := signIn(t)
	t.Setenv("SX_SERVER", "")
	t.Setenv("SX_PARALLEL", "1") // the exit code is that of the first error
	failed := job("bbbb", "b.mp4", sx.StateFailed)
	failed.Error = sx.NewError(sx.CodeConversionFailed, "ffmpeg failed")
	server.AddJobs("anna", job("aaaa", "a.mp4", sx.StateCancelled), failed, job("cccc", "c.mp4", sx.StateRunning))
	fresh := gateway.New(t) // where anna has no account
	// These require notifications and an administrator.
	answer(server, map[string]any{
		"GET " + api.PathNotify:       api.Notify{PendingEmail: "ada@example.org", Webhooks: []api.Webhook{}},
		"GET " + api.PathDeliveries:   api.DeliveryList{Deliveries: []api.Delivery{}},
		"POST " + api.PathWebhooks:    api.CreatedWebhook{Webhook: api.Webhook{ID: "w1"}, Secret: "whsec_x"},
		"POST " + api.PathInvitations: api.Invitation{Code: "sxi_x"},
		"GET " + api.PathUsers:        api.UserList{Users: []api.Account{{User: api.User{Name: "anna"}}}, Next: "it's"},
	})

	for _, tt := range []struct {
		server, args string
		code         int
		want         []string // each followed by --server URL
	}{
		{fresh.URL, "whoami", 77, []string{"sign in with: sx login", "create an account with: sx register"}},
		{fresh.URL, "login anna --password-stdin", 65, []string{"send it like this: sx login NAME --password-stdin"}},
		{below(t, fresh.URL, "/a(b)"), "whoami", 77, []string{"sx login"}},
		{server.URL, "show bbbb", 0, []string{"hint        try again with: sx retry bbbb"}},
		{server.URL, "show none", 65, []string{"sx jobs"}},
		{server.URL, "cancel aaaa none", 65, []string{"sx jobs"}},
		{server.URL, "watch aaaa", 1, []string{"see: sx show aaaa"}},
		{server.URL, "watch bbbb", 1, []string{"try again with: sx retry bbbb"}},
		{server.URL, "watch none", 65, []string{"sx jobs"}},
		{server.URL, "download", 64, []string{"list jobs with: sx jobs", "download all with: sx download --all"}},
		{server.URL, "download aaaa", 65, []string{"show it with: sx show aaaa"}},
		{server.URL, "download bbbb", 1, []string{"try again with: sx retry bbbb"}},
		{server.URL, "download bbbb cccc", 1, []string{"sx retry bbbb", "sx watch cccc"}},
		{server.URL, "notify", 0, []string{"next: sx notify confirm CODE"}},
		{server.URL, "notify webhook add https://example.org/", 0, []string{"test the webhook: sx notify test", "remove it: sx notify webhook rm w1"}},
		{server.URL, "admin users --limit 1", 0, []string{`more accounts: sx admin users --after 'it'"'"'s' --limit 1`}},
		{server.URL, "admin invite", 0, []string{"  sx register NAME --invitation"}},
		{server.URL, "notify deliveries", 0, []string{"send a test with: sx notify test"}},
		{server.URL, "notify webhook list", 0, []string{"add one with: sx notify webhook add URL"}},
		{server.URL, "notify webhook rm none", 65, []string{"list your webhooks with: sx notify webhook list"}},
		{server.URL, "token list", 0, []string{"create one with: sx token create NAME"}},
		{server.URL, "token revoke none", 65, []string{"list your tokens with: sx token list"}},
		{server.URL, "token create backup", 0, []string{"revoke it: sx token revoke backup"}},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := run(t, append([]string{"--server", tt.server}, strings.Fields(tt.args)...)...)
			quoted := tt.server
			if strings.Contains(quoted, "(") {
				quoted = "'" + quoted + "'"
			}
			for i, want := range tt.want {
				tt.want[i] = want + " --server " + quoted
			}
			r.wantPart(t, tt.code, tt.want...)
		})
	}
}

// below starts a proxy that has a server below a path, and returns its URL.
func below(t *testing.T, server, path string) string {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.StripPrefix(path, httputil.NewSingleHostReverseProxy(to)))
	t.Cleanup(proxy.Close)
	return proxy.URL + path
}

// TestInvitationNamesServer checks the command for the invited person, whose sx
// does not have the settings of the administrator's.
func TestInvitationNamesServer(t *testing.T) {
	server := signIn(t)
	answer(server, map[string]any{"POST " + api.PathInvitations: api.Invitation{Code: "sxi_x"}})
	run(t, "admin", "invite").wantPart(t, 0, "sxi_x\n", "  sx register NAME --invitation --server "+server.URL+"\n")
}

// TestCommandsAreBuilt reads every string in the CLI's code: only help texts and the
// few below name a command of sx. All others must be built by package nextcmd, which
// quotes arguments and keeps flags.
func TestCommandsAreBuilt(t *testing.T) {
	t.Parallel()
	allowed := map[string]string{
		"cmd/topics/topics.go":               "help topics",
		"config/config.go":                   "texts of the help topic environment",
		"cmd/supportbundle/supportbundle.go": "names the command whose checks are run, and suggests none",
	}
	help := []string{"Long", "Short", "Example", "Use"}
	names := []string{"--server"}
	cmd, _ := newRoot()
	for _, c := range cmd.Commands() {
		switch c.Name() {
		case "up", "down", "help": // they use no server
		default:
			names = append(names, regexp.QuoteMeta(c.Name()))
		}
	}
	command := regexp.MustCompile(`\bsx (` + strings.Join(names, "|") + `)\b`)
	read, used := 0, map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, filepath.FromSlash("../../")))
		ast.Inspect(file, func(n ast.Node) bool {
			if field, ok := n.(*ast.KeyValueExpr); ok {
				key, ok := field.Key.(*ast.Ident)
				return !ok || !slices.Contains(help, key.Name)
			}
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			read++
			if text, err := strconv.Unquote(lit.Value); err == nil && !command.MatchString(text) {
				return true
			}
			if used[name] = true; allowed[name] == "" {
				t.Errorf("%s: %s names a command of sx: build it with nextcmd, which adds --server and --context, or leave it out", fset.Position(lit.Pos()), lit.Value)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < 1000 {
		t.Errorf("read only %d strings: does the test still read the right files?", read)
	}
	for name, reason := range allowed {
		if !used[name] {
			t.Errorf("%s (%s) names no command: remove the exception", name, reason)
		}
	}
}
