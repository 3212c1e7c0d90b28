package root_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/testkit"
)

func TestUsageErrors(t *testing.T) {
	home(t)
	run(t, "shwo").want(t, 64, "", "error: unknown command \"shwo\"\nhint: did you mean: sx show\n")
	run(t, "frobnicate").want(t, 64, "", "error: unknown command \"frobnicate\"\nhint: see: sx --help\n")
	run(t, "jobs", "--foo").want(t, 64, "", "error: unknown flag: --foo\nusage: sx jobs [flags]\nhint: see: sx jobs --help\n")
	run(t, "show").want(t, 64, "", "error: job required\nusage: sx show JOB... [flags]\nhint: see: sx show --help\n")
	run(t, "jobs", "--limit", "x").wantPart(t, 64, "invalid argument", "hint: see: sx jobs --help")
	run(t, "jobs", "--state", "dne").wantPart(t, 64, `unknown state "dne"`, "hint: use one of: uploading, queued")
	run(t, "jobs", "--all", "--limit", "3").wantPart(t, 64, "mutually exclusive")
	run(t, "jobs", "--limit", "0").wantPart(t, 64, "--limit must be at least 1")
	run(t, "help", "nothing").wantPart(t, 64, `no help topic "nothing"`)
	run(t, "config", "nothing").wantPart(t, 64, "nothing", "sx config --help")
	run(t, "completion", "tcsh").wantPart(t, 64, "tcsh")
}

func TestErrorsAsJSON(t *testing.T) {
	home(t)
	for _, args := range [][]string{{"show", "--json"}, {"jobs", "--foo", "--json"}} {
		r := run(t, args...)
		var body api.ErrorBody
		if err := json.Unmarshal([]byte(r.errOut), &body); err != nil {
			t.Fatalf("%q: %v in %s", args, err, r.errOut)
		}
		if r.code != 64 || body.Error.Code != "usage" || body.Error.Message == "" || body.Error.Hint == "" {
			t.Errorf("%q: got %d, %+v", args, r.code, body)
		}
	}
}

func TestUnreachable(t *testing.T) {
	home(t)
	gone := testkit.NoServer(t)
	addr := strings.TrimPrefix(gone, "http://")
	sxIn(t, "correct horse", nil, "login", "anna", "--password-stdin", "--server", gone).
		want(t, 69, "", "error: no server at "+addr+"\nhint: start one with: sx up -d\n")
	sxIn(t, "correct horse", nil, "login", "anna", "--password-stdin", "--json", "--server", "https://sound.invalid").
		wantPart(t, 69, `"code":"unreachable"`, "no response from sound.invalid: unknown host", "check the network")

	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	sxIn(t, "correct horse", nil, "login", "anna", "--password-stdin", "--server", tls.URL).
		wantPart(t, 69, "its certificate is signed by an unknown authority", "install the certificate")
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	sxIn(t, "correct horse", nil, "login", "anna", "--password-stdin", "--server", strings.Replace(plain.URL, "http:", "https:", 1)).
		wantPart(t, 69, "it does not use TLS", "an address that starts with http://")
}

func TestNoSoundExtractServer(t *testing.T) {
	home(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>hello"))
	}))
	defer other.Close()
	sxIn(t, "correct horse", nil, "login", "anna", "--password-stdin", "--server", other.URL).
		wantPart(t, 69, "is not from a SoundExtract server", "sign in to it in a browser")
	run(t, "whoami", "--server", "ftp://x").wantPart(t, 65, `invalid server URL "ftp://x"`)
}

func TestColours(t *testing.T) {
	home(t)
	r := sxIn(t, "", func(s *term.IOStreams) { s.Color = true }, "show")
	r.wantPart(t, 64, "\x1b[1;31merror:\x1b[0m job required", "\x1b[1;36mhint:\x1b[0m")
}

func TestInterrupted(t *testing.T) {
	server := signIn(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"whoami"}, "interrupted\n"},
		{[]string{"download", "abc"}, "interrupted; run the same command again to continue\n"},
		{[]string{"watch"}, "interrupted; the jobs continue\n"},
		{[]string{"whoami", "--json"}, `{"error":{"code":"interrupted","message":"interrupted","hint":""}}` + "\n"},
	} {
		streams, out, errOut := term.Test("")
		code := root.Main(ctx, append(tt.args, "--server", server.URL), streams)
		result{code, out.String(), errOut.String()}.want(t, 130, "", tt.want)
	}
}

func TestHelpWithInvalidConfig(t *testing.T) {
	dir := home(t)
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte("sever: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "--help").wantPart(t, 0, "sx convert talk.mp4")
	run(t, "help", "exit-codes").wantPart(t, 0, "interrupted")
	run(t, "--version").wantPart(t, 0, "sx ")
	run(t, "jobs").wantPart(t, 65, `line 1: unknown setting "sever"`, "sx help environment")
}

func TestPermission(t *testing.T) {
	dir := home(t)
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SX_CONFIG", filepath.Join(blocked, "config.yaml"))
	run(t, "whoami").wantPart(t, 65, "cannot read the config file")
}
