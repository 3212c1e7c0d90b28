package service_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/service"
	"github.com/soundextract/sx/server/testkit"
)

// awkward has what each format must escape.
var awkward = service.Unit{
	Program: `/opt/my "tools"/sx`, Data: `/home/anna/50% $HOME\data <&>`, Addr: "127.0.0.1:8740", Path: "/usr/bin:/opt/100%/bin",
}

func TestSystemd(t *testing.T) {
	t.Parallel()
	text := string(awkward.Systemd())
	for _, want := range []string{
		`ExecStart="/opt/my \"tools\"/sx" "service" "run" "--data" "/home/anna/50%% $$HOME\\data <&>" "--addr" "127.0.0.1:8740"` + "\n",
		`Environment="PATH=/usr/bin:/opt/100%%/bin"` + "\n",
		"Restart=on-failure\n",
		"WantedBy=default.target\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
}

// TestSystemdAccepts has systemd itself read the unit.
func TestSystemdAccepts(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("systemd is for Linux")
	}
	testkit.Need(t, "systemd-analyze")
	dir := t.TempDir()
	// It checks that the program exists.
	program := filepath.Join(dir, "s x")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	unit := awkward
	unit.Program = program
	path := filepath.Join(dir, "soundextract.service")
	if err := os.WriteFile(path, unit.Systemd(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--user", "--man=no", path)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), path) {
		t.Errorf("%v\n%s\n%s", err, out, unit.Systemd())
	}
}

func TestLaunchd(t *testing.T) {
	t.Parallel()
	raw := awkward.Launchd()
	var got []string
	dec := xml.NewDecoder(strings.NewReader(string(raw)))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, raw)
		}
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			got = append(got, string(text))
		}
	}
	want := []string{
		"Label", "io.soundextract.sxd",
		"ProgramArguments", awkward.Program, "service", "run", "--data", awkward.Data, "--addr", awkward.Addr,
		"EnvironmentVariables", "PATH", awkward.Path,
		"RunAtLoad", "KeepAlive", "SuccessfulExit",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
