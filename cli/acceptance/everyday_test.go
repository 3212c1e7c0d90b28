package acceptance_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/soundextract/sx/server/testkit"
)

// TestEveryday runs the recipes of docs/everyday.md, each with a script that prepares it
// and checks what it did.
func TestEveryday(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "curl", "python3")
	build(t)
	runScripts(t, "testdata/everyday", own)
}

// own starts the local server of the script's own user.
func own(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.Exec("sx", "up", "--detach", "--addr", "127.0.0.1:0", "--data", ts.Getenv("DATA")))
}

// TestEverydayScripts tests that each recipe has a script, which runs all of its code.
func TestEverydayScripts(t *testing.T) {
	t.Parallel()
	headings := regexp.MustCompile(`(?m)^## (\d+)\. `).FindAllStringSubmatch(everyday(t.Fatal), -1)
	if len(headings) != 23 {
		t.Errorf("%d recipes, want 23", len(headings))
	}
	for i, h := range headings {
		if h[1] != strconv.Itoa(i+1) {
			t.Errorf("recipe %d has the number %s", i+1, h[1])
		}
		scripts, err := filepath.Glob(fmt.Sprintf("testdata/everyday/%02d-*.txtar", i+1))
		if err != nil || len(scripts) != 1 {
			t.Errorf("recipe %d has the scripts %v", i+1, scripts)
			continue
		}
		script, err := os.ReadFile(scripts[0])
		if err != nil {
			t.Fatal(err)
		}
		run := map[string]bool{}
		for _, line := range regexp.MustCompile(`(?m)^recipe (\d+)(?: (\d+))?(?: until .*)?$`).FindAllStringSubmatch(string(script), -1) {
			run[line[1]+" "+cmp.Or(line[2], "1")] = true
		}
		for block := range blocks(everyday(t.Fatal), h[1]) {
			if !run[fmt.Sprint(h[1], " ", block+1)] {
				t.Errorf("%s does not run block %d of recipe %s", scripts[0], block+1, h[1])
			}
		}
	}
}

// everyday returns the text of docs/everyday.md.
func everyday(fatal func(...any)) string {
	text, err := os.ReadFile("../../docs/everyday.md")
	if err != nil {
		fatal(err)
	}
	return string(text)
}

// code is a block of code of a recipe.
var code = regexp.MustCompile("(?ms)^```(sh|python|crontab)\n(.*?)^```$")

// blocks returns the kinds and contents of the blocks of code of a recipe in text.
func blocks(text, number string) [][]string {
	_, section, _ := strings.Cut(text, "\n## "+number+". ")
	section, _, _ = strings.Cut(section, "\n## ")
	return code.FindAllStringSubmatch(section, -1)
}

// recipe runs a block of code of docs/everyday.md as it is: [!] recipe NUMBER [BLOCK]
// [until FILE]. The output is in recipe-NUMBER.out. With until, it is ended as with Ctrl-C
// as soon as FILE exists.
func recipe(ts *testscript.TestScript, neg bool, args []string) {
	var until string
	if n := len(args) - 2; n > 0 && args[n] == "until" {
		args, until = args[:n], ts.MkAbs(args[n+1])
	}
	block := 1
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		block = n
	}
	all := blocks(everyday(func(a ...any) { ts.Fatalf("%v", a) }), args[0])
	if block > len(all) {
		ts.Fatalf("recipe %s has %d blocks", args[0], len(all))
	}
	kind, text := all[block-1][1], all[block-1][2]
	if until != "" {
		text = "exec " + text // so that the signal reaches the command
	}
	line := []string{"sh", "-euc", text}
	switch kind {
	case "python":
		line = []string{"python3", "-c", text}
	case "crontab": // with cron's environment, and after its five fields
		command := strings.Join(strings.Fields(text)[5:], " ")
		line = []string{"env", "-i", "PATH=/usr/bin:/bin", "SHELL=/bin/sh"}
		for _, name := range []string{"HOME", "SX_CONFIG", "SX_CREDENTIALS", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "GORACE"} {
			line = append(line, name+"="+ts.Getenv(name))
		}
		line = append(line, "sh", "-c", command)
	}
	program, err := exec.LookPath(line[0])
	ts.Check(err)
	out, err := os.Create(ts.MkAbs("recipe-" + args[0] + ".out"))
	ts.Check(err)
	defer out.Close() //nolint:errcheck // only the test reads it
	cmd := exec.Command(program, line[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), out, out
	for _, name := range []string{
		"HOME", "PATH", "SX_CONFIG", "SX_CREDENTIALS", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "NO_COLOR",
		"SX_SERVER", "SX_TOKEN", "CODE", "HOOK", "GORACE",
	} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	ts.Check(cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	if until != "" {
		waitFor(ts, until, done)
		ts.Check(cmd.Process.Signal(os.Interrupt))
	}
	err = <-done
	ts.Logf("%s", ts.ReadFile("recipe-"+args[0]+".out"))
	if until == "" && (err != nil) != neg {
		ts.Fatalf("recipe %s: %v", args[0], err)
	}
}

// machine gives sx the settings of another machine, whose home is DIR: machine DIR.
func machine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: machine DIR")
	}
	home := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(home, 0o700))
	for _, kv := range bin.Env(home) {
		if name, value, _ := strings.Cut(kv, "="); name != "PATH" {
			ts.Setenv(name, value)
		}
	}
}

// waitFor waits until a file exists.
func waitFor(ts *testscript.TestScript, path string, done chan error) {
	tick, enough := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case err := <-done:
			ts.Fatalf("it has ended: %v", err)
		case <-enough:
			ts.Fatalf("%s has not appeared", path)
		case <-tick.C:
		}
	}
}
