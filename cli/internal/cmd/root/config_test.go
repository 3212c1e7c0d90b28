package root_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	dir := home(t)
	path := filepath.Join(dir, "config.yaml")
	run(t, "config", "use", "local").wantPart(t, 65, `context "local"`, "sx up")
	content := "parallel: 4\ncontexts:\n  local:\n    server: http://127.0.0.1:1\n  team:\n    server: https://t\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SX_RETRY_TIMEOUT", "90s")
	run(t, "config", "use", "team").want(t, 0, "Switched to context team (https://t)\n", "")
	run(t, "config", "use", "prod").wantPart(t, 65, `context "prod"`, "local, team")
	run(t, "config").want(t, 0, "server\thttps://t\tcontext team\n"+
		"context\tteam\t"+path+"\nparallel\t4\t"+path+"\nretry-timeout\t90s\tSX_RETRY_TIMEOUT\ncredentials\tfile\tSX_CREDENTIALS\n"+
		"preset\t\tnot set\noutput\t\tnot set\ntoken\t\tnot set\n", "")
	run(t, "config", "--server", "http://x").wantPart(t, 0, "server\thttp://x\tflag\n")
	run(t, "config", "--json").wantPart(t, 0, `[{"key":"server","value":"https://t","source":"context team"},`)
	run(t, "config", "use", "local", "--json").want(t, 0, `{"context":"local","server":"http://127.0.0.1:1"}`+"\n", "")
	sxIn(t, "", terminal, "config").wantPart(t, 0, "KEY            VALUE", "\nconfig file: "+path)
	run(t, "__complete", "config", "use", "").wantPart(t, 0, "local\nteam\n")
}

func TestVersion(t *testing.T) {
	home(t)
	run(t, "version").wantPart(t, 0, "sx dev (go")
	run(t, "version", "--json").wantPart(t, 0, `{"version":"dev","commit":"","date":"","go":"go`, `"platform":`)
	run(t, "--version").want(t, 0, "sx dev\n", "")
}

func TestConfigSet(t *testing.T) {
	dir := home(t)
	path := filepath.Join(dir, "config.yaml")
	const text = "# mine\nparallel: 4 # fast disk\ncontexts:\n  team:\n    server: https://t\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "config", "set", "preset", "speech").want(t, 0, "Set preset to speech\n", "")
	run(t, "config", "set", "output", "music").want(t, 0, "Set output to "+filepath.Join(cwd(t), "music")+"\n", "")
	run(t, "config", "set", "server", "https://s", "--json").want(t, 0, `{"key":"server","value":"https://s"}`+"\n", "")
	run(t, "config").wantPart(t, 0, "server\thttps://s\t"+path, "preset\tspeech\t"+path)
	run(t, "config", "set", "context", "team").wantPart(t, 0, "Set context to team")
	run(t, "config", "unset", "server").want(t, 0, "Removed server\n", "")
	run(t, "config").wantPart(t, 0, "server\thttps://t\tcontext team")
	raw, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(raw), "# mine") || !strings.Contains(string(raw), "parallel: 4 # fast disk") {
		t.Errorf("the rest of the file was changed: %v\n%s", err, raw)
	}

	// A wrong value changes nothing.
	for _, tt := range []struct {
		args  []string
		code  int
		words []string
	}{
		{[]string{"preset", "loud"}, 65, []string{`invalid preset "loud"`, "speech, standard, high or small"}},
		{[]string{"parallel", "0"}, 65, []string{`invalid parallel "0"`}},
		{[]string{"context", "prod"}, 65, []string{`context "prod" not found`, "team"}},
		{[]string{"token", "sxp_x"}, 64, []string{`unknown setting "token"`}},
		{[]string{"colour", "red"}, 64, []string{`unknown setting "colour"`, "use one of: server, context"}},
		{[]string{"preset", " "}, 64, []string{"sx config unset preset"}},
	} {
		run(t, append([]string{"config", "set"}, tt.args...)...).wantPart(t, tt.code, tt.words...)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(raw) {
		t.Errorf("a wrong value changed the file: %v\n%s", err, after)
	}
	t.Setenv("SX_PRESET", "high")
	run(t, "config", "set", "preset", "small").want(t, 0, "Set preset to small\n", "warning: SX_PRESET still overrides it\n")
	run(t, "__complete", "config", "set", "preset", "").wantPart(t, 0, "speech\tmono, 64 kbit/s\nstandard\t")
	run(t, "__complete", "config", "unset", "").wantPart(t, 0, "server\tserver URL")
}

func cwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
