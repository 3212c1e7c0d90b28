package login_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/login"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  login.Options
		wrong bool
	}{
		{"none", nil, login.Options{}, false},
		{"name and input", []string{"anna", "--password-stdin", "--json"}, login.Options{Name: "anna", PasswordStdin: true, JSON: true}, false},
		{"code", []string{"--code"}, login.Options{Code: true}, false},
		{"a code on the command line", []string{"--code", "sxr_x"}, login.Options{}, true},
		{"code and name", []string{"anna", "--code"}, login.Options{}, true},
		{"two names", []string{"a", "b"}, login.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			var got *login.Options
			cmd := login.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *login.Options) error {
				got = o
				return nil
			})
			cmd.SetArgs(tt.args)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			err := cmd.ExecuteContext(t.Context())
			if tt.wrong {
				if cmdutil.ErrorCode(err) != sx.CodeUsage || got != nil {
					t.Errorf("got %v, want a usage error", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := clitest.DiffOptions(tt.want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// browser returns a browser that is signed in to the server as anna.
func browser(t *testing.T, server string) func(path, body string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar}
	post := func(path, body string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", server)
		req.Header.Set(api.HeaderBrowser, "1")
		res, err := c.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		_ = res.Body.Close()
		if res.StatusCode >= http.StatusBadRequest {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
	post(api.PathRegister, `{"name":"anna","password":"correct horse"}`)
	return post
}

// TestTunnelOffersWhatTheServerOffers signs in to a server inside a cluster, which browsers
// reach at an address that sx does not know.
func TestTunnelOffersWhatTheServerOffers(t *testing.T) {
	t.Parallel()
	server := gateway.New(t, func(s *gateway.Server) {
		s.Organisation = &gateway.Organisation{Issuer: "http://127.0.0.1:1", ClientID: "soundextract", ClientSecret: "secret"}
	})
	approve := browser(t, server.URL)
	said, terminal := io.Pipe()
	streams, out, _ := term.Test("")
	streams.ErrOut = terminal
	f := &cmdutil.Factory{IO: streams, Account: func() (*session.Account, error) {
		acct, err := session.NewAccount("cluster", server.URL, session.OpenStore(t.TempDir(), nil), http.DefaultTransport)
		if err == nil {
			acct.UseTunnel()
		}
		return acct, err
	}}
	ended := make(chan error, 1)
	go func() {
		ended <- clitest.Run(t, login.NewCmd(f, nil))
		_ = terminal.Close()
	}()
	var all strings.Builder
	waiting := regexp.MustCompile(`shows the code (\S+)\. Waiting`)
	for lines := bufio.NewScanner(said); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		if code := waiting.FindStringSubmatch(lines.Text()); code != nil {
			if !strings.Contains(all.String(), "\n  #/device/"+code[1]+"\n") {
				t.Errorf("it does not say what to add to the address")
			}
			approve(strings.Replace(api.PathDevice, "{code}", code[1], 1), `{"approve":true}`)
		}
	}
	if err := <-ended; err != nil || !strings.Contains(out.String(), " as anna\n") {
		t.Errorf("%v, printed %q", err, out)
	}
	if text := all.String(); strings.Contains(text, server.URL) || !strings.Contains(text, "with a password instead: sx login NAME\n") {
		t.Errorf("it said:\n%s", text)
	}
}
