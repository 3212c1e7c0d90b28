package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/server/sx"
)

// write writes a config file and points SX_CONFIG to it. It hides the machine's own
// settings from the test.
func write(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "config.yaml")
	if content != "" {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range config.Settings() {
		t.Setenv(s.Env, "")
	}
	t.Setenv(config.EnvFile, path)
	return path
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.String("server", "", "")
	fs.Int("parallel", 7, "")
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestDefaults(t *testing.T) {
	write(t, "")
	c, err := config.Load(flags(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.Server != "" || c.Account != "" || c.Data != "" || c.Parallel != 2 ||
		c.RetryTimeout != 15*time.Minute || c.Credentials != config.CredentialsAuto {
		t.Errorf("got %+v", c)
	}
	for _, v := range c.Values {
		if want := map[bool]string{true: "not set", false: "default"}[v.Value == ""]; v.Source != want {
			t.Errorf("%s came from %s", v.Key, v.Source)
		}
	}
}

const contexts = `
context: local
contexts:
  local: {server: "http://127.0.0.1:1111/", data: /data}
  team: {server: https://sound.example.com}
`

func TestPrecedence(t *testing.T) {
	tests := []struct {
		name    string
		file    string
		env     map[string]string
		args    []string
		server  string
		account string
		source  string // of the server; FILE is the config file's path
	}{
		{"context", contexts, nil, nil, "http://127.0.0.1:1111", "local /data", "context local"},
		{
			"context by variable", contexts,
			map[string]string{"SX_CONTEXT": "team"},
			nil,
			"https://sound.example.com", "https://sound.example.com", "context team",
		},
		{"server in the file", "server: http://f", nil, nil, "http://f", "http://f", "FILE"},
		{"server in the file overrides its context", contexts + "server: http://f", nil, nil, "http://f", "http://f", "FILE"},
		{
			"variable overrides file", contexts + "server: http://f",
			map[string]string{"SX_SERVER": "http://e"},
			nil,
			"http://e", "http://e", "SX_SERVER",
		},
		{
			"flag overrides variable", contexts,
			map[string]string{"SX_SERVER": "http://e"},
			[]string{"--server", "http://a/"},
			"http://a", "http://a", "flag",
		},
		{
			"the context's own address is the context", contexts,
			map[string]string{"SX_SERVER": "http://127.0.0.1:1111"},
			nil, "http://127.0.0.1:1111", "local /data", "SX_SERVER",
		},
		{
			"the address of another context too", strings.Replace(contexts, "context: local", "context: team", 1),
			nil,
			[]string{"--server", "http://127.0.0.1:1111/"},
			"http://127.0.0.1:1111", "local /data", "flag",
		},
		{
			"reached through the cluster", "context: lab\ncontexts: {lab: {kubernetes: {context: k, namespace: n, release: r}}}",
			nil, nil,
			"http://r-gateway.n.svc:8740", "kubernetes k n r", "context lab",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.file)
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			c, err := config.Load(flags(t, tt.args...))
			if err != nil {
				t.Fatal(err)
			}
			source := strings.ReplaceAll(tt.source, "FILE", path)
			if c.Server != tt.server || c.Account != tt.account || c.Values[0].Source != source {
				t.Errorf("got %s for %s from %s, want %s for %s from %s",
					c.Server, c.Account, c.Values[0].Source, tt.server, tt.account, source)
			}
		})
	}
}

func TestFlagOfACommandCounts(t *testing.T) {
	write(t, "parallel: 3")
	t.Setenv("SX_PARALLEL", "4")
	for want, args := range map[int][]string{4: nil, 5: {"--parallel", "5"}} {
		c, err := config.Load(flags(t, args...))
		if err != nil || c.Parallel != want {
			t.Errorf("%v: got %d, %v, want %d", args, c.Parallel, err, want)
		}
	}
}

func TestErrorsNameInvalidSettings(t *testing.T) {
	tests := []struct {
		name string
		file string
		env  map[string]string
		want string // FILE is the config file's path
	}{
		{"unknown key", "server: http://h\nsever: x", nil, `FILE line 2: unknown setting "sever"`},
		{"no yaml", "a: [", nil, "FILE is not valid YAML"},
		{"twice", "parallel: 1\nparallel: 2", nil, "FILE is not valid"},
		{"a list", "- a", nil, "FILE must be a mapping of settings"},
		{"nested", "parallel: {a: 1}", nil, "FILE line 1: parallel must be a single value"},
		{"context without server", "contexts: {a: {data: /x}}", nil, "FILE line 1: context a has no server"},
		{"context with more", "contexts: {a: {server: x, port: 1}}", nil, `context a: unknown key "port"; use server, data or kubernetes`},
		{"context's name", "contexts: {A B: {server: x}}", nil, `invalid context name "A B"`},
		{"contexts no map", "contexts: 5", nil, "FILE line 1: contexts must be"},
		{"context no map", "contexts: {a: 5}", nil, "FILE line 1: context a must be"},
		{"unknown context", contexts, map[string]string{"SX_CONTEXT": "prod"}, `context "prod" not found`},
		{"parallel in the file", "parallel: many", nil, `FILE: invalid parallel "many"`},
		{"parallel in the variable", "", map[string]string{"SX_PARALLEL": "0"}, `SX_PARALLEL: invalid parallel "0"`},
		{"retry-timeout", "", map[string]string{"SX_RETRY_TIMEOUT": "15"}, `SX_RETRY_TIMEOUT: invalid retry-timeout "15"`},
		{"credentials", "credentials: paper", nil, `FILE: invalid credentials "paper"`},
		{"preset", "preset: loud", nil, `FILE: invalid preset "loud"`},
		{"output", "", map[string]string{"SX_OUTPUT": "-"}, `SX_OUTPUT: invalid output "-"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.file)
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			_, err := config.Load(nil)
			want := strings.ReplaceAll(tt.want, "FILE", path)
			if sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v, want %q", err, want)
			}
			if sx.AsError(err).Hint == "" {
				t.Error("no hint")
			}
		})
	}
}

func TestUnreadableFile(t *testing.T) {
	path := write(t, "")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(nil); sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestPathsFollowXDG(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv(config.EnvFile, "")
	for _, variable := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"} {
		t.Setenv(variable, "")
	}
	check := func(what func() (string, error), want string) {
		t.Helper()
		if got, err := what(); err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	check(config.Path, filepath.Join(home, ".config/soundextract/config.yaml"))
	check(config.StateDir, filepath.Join(home, ".local/state/soundextract"))
	check(config.DataDir, filepath.Join(home, ".local/share/soundextract"))
	t.Setenv("XDG_STATE_HOME", "/state")
	t.Setenv("XDG_DATA_HOME", "relative/paths/do/not/count")
	check(config.StateDir, "/state/soundextract")
	check(config.DataDir, filepath.Join(home, ".local/share/soundextract"))
	t.Setenv("HOME", "")
	if _, err := config.DataDir(); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("without a home: %v", err)
	}
	check(config.Path, "")
}

func TestToken(t *testing.T) {
	const token = "sxp_k3q5wz7d2mhv4xayabcdefghijklmnopqrstuvwxyz"
	write(t, "")
	t.Setenv("SX_TOKEN", token)
	c, err := config.Load(nil)
	if err != nil || c.Token != token {
		t.Fatalf("got %+v, %v", c, err)
	}
	last := c.Values[len(c.Values)-1]
	if last.Key != "token" || last.Value != "sxp_k3q5…" || last.Source != "SX_TOKEN" {
		t.Errorf("shown as %+v", last)
	}
	for _, bad := range []string{"nonsense", "sxp_", "eyJhbGciOiJFZERTQSJ9"} {
		t.Setenv("SX_TOKEN", bad)
		if _, err := config.Load(nil); sx.CodeOf(err) != sx.CodeInvalid || strings.Contains(err.Error(), bad+" ") || !strings.Contains(err.Error(), "SX_TOKEN") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	write(t, "token: "+token)
	if _, err := config.Load(nil); sx.CodeOf(err) != sx.CodeInvalid || strings.Contains(err.Error(), token) {
		t.Errorf("in the file: %v", err)
	}
}

// TestWithoutHome checks that sx needs no home directory, as in many containers.
func TestWithoutHome(t *testing.T) {
	homes := []string{""}
	if os.Getuid() != 0 { // who can write everywhere
		homes = append(homes, "/", "/nonexistent")
	}
	for _, variable := range []string{config.EnvFile, "XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
		t.Setenv(variable, "")
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv("SX_SERVER", "http://h")
	for _, home := range homes {
		t.Setenv("HOME", home)
		c, err := config.Load(nil)
		if err != nil || c.Server != "http://h" {
			t.Fatalf("HOME=%s: %+v, %v", home, c, err)
		}
		want := filepath.Join(tmp, fmt.Sprintf("soundextract-%d", os.Getuid()))
		info, err := os.Lstat(c.StateDir)
		if c.StateDir != want || err != nil || info.Mode() != os.ModeDir|0o700 {
			t.Errorf("HOME=%s: state in %s, %v, %v; want %s", home, c.StateDir, info, err, want)
		}
	}
	// A directory that others may have prepared is not used.
	shared := filepath.Join(tmp, fmt.Sprintf("soundextract-%d", os.Getuid()))
	if err := os.Chmod(shared, 0o770); err != nil {
		t.Fatal(err)
	}
	if dir, err := config.StateDir(); err != nil || dir == shared || filepath.Dir(dir) != tmp {
		t.Errorf("got %s, %v", dir, err)
	}
}
