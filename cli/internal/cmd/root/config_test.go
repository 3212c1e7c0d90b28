package root_test

import (
	"os"
	"path/filepath"
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
		"context\tteam\t"+path+"\nparallel\t4\t"+path+"\nretry-timeout\t90s\tSX_RETRY_TIMEOUT\ncredentials\tfile\tSX_CREDENTIALS\ntoken\t\tnot set\n", "")
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
