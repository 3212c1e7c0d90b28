//go:build unix

package localserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestMain(m *testing.M) { clitest.Main(m) }

// start runs a fake sxd that has the given behaviour, on a free port.
func start(t *testing.T, behaviour, dir string, detached bool) (*localserver.Server, error) {
	t.Helper()
	t.Setenv(clitest.EnvSXD, behaviour)
	return localserver.Start(t.Context(), localserver.Options{
		Program: os.Args[0], Addr: "127.0.0.1:0", Dir: dir, Detached: detached,
	})
}

func mustStart(t *testing.T, behaviour, dir string, detached bool) *localserver.Server {
	t.Helper()
	s, err := start(t, behaviour, dir, detached)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(s.PID, syscall.SIGKILL) })
	return s
}

func mustRun(t *testing.T, dir string, pid int) *localserver.Instance {
	t.Helper()
	in, err := localserver.Running(t.Context(), dir)
	if err != nil || in == nil || in.PID != pid {
		t.Fatalf("got %+v, %v, want process %d", in, err, pid)
	}
	return in
}

func mustNotRun(t *testing.T, dir string) {
	t.Helper()
	if in, err := localserver.Running(t.Context(), dir); in != nil || err != nil {
		t.Fatalf("got %+v, %v, want nothing", in, err)
	}
}

func record(t *testing.T, dir string, in localserver.Instance) {
	t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sxd.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestStartFindStop(t *testing.T) {
	for _, detached := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "new")
		mustNotRun(t, dir)
		s := mustStart(t, clitest.Well, dir, detached)
		in := mustRun(t, dir, s.PID)
		session, err := unix.Getsid(s.PID)
		if err != nil || (session == s.PID) != detached {
			t.Errorf("detached %t: session %d of process %d, %v", detached, session, s.PID, err)
		}
		if group, err := syscall.Getpgid(s.PID); err != nil || group != s.PID {
			t.Errorf("process group %d of process %d, %v: a Ctrl-C would reach it twice", group, s.PID, err)
		}
		info, err := os.Stat(localserver.LogPath(dir))
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
			t.Errorf("log: %v, %v, want some of mode 0600", info, err)
		}
		if err := localserver.Stop(t.Context(), dir, in); err != nil {
			t.Fatal(err)
		}
		mustNotRun(t, dir)
		if localserver.Recorded(dir) != nil {
			t.Error("a record is left")
		}
		if err := s.Wait(t.Context()); err != nil {
			t.Errorf("an orderly exit: %v", err)
		}
	}
}

func TestCtrlCStopsTheServerInTheForeground(t *testing.T) {
	dir := t.TempDir()
	s := mustStart(t, clitest.Well, dir, false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	mustNotRun(t, dir)
}

func TestServerCrashesLater(t *testing.T) {
	dir := t.TempDir()
	s := mustStart(t, clitest.Well, dir, false)
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	err := s.Wait(t.Context())
	if err == nil || !strings.Contains(err.Error(), "killed") || !strings.Contains(sx.AsError(err).Hint, "sxd.log") {
		t.Errorf("got %v", err)
	}
	// The stale instance file does not prevent the next start.
	mustNotRun(t, dir)
	again := mustStart(t, clitest.FailsInTheEnd, dir, false)
	mustRun(t, dir, again.PID)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := again.Wait(ctx); err == nil {
		t.Error("exit code 3 went unnoticed")
	}
}

func TestServerThatDoesNotStart(t *testing.T) {
	tests := []struct{ behaviour, message, hint string }{
		{clitest.NoFFmpeg, "the local server did not start: ffmpeg not found", "apt-get install ffmpeg"},
		{clitest.Panics, "panic: oh no", "sxd.log"},
	}
	for _, tt := range tests {
		t.Run(tt.behaviour, func(t *testing.T) {
			dir := t.TempDir()
			_, err := start(t, tt.behaviour, dir, true)
			if err == nil || !strings.Contains(err.Error(), tt.message) || !strings.Contains(sx.AsError(err).Hint, tt.hint) {
				t.Fatalf("got %v (hint: %s)", err, sx.AsError(err).Hint)
			}
			if strings.Contains(err.Error(), "level") {
				t.Errorf("log records in the message: %v", err)
			}
		})
	}
}

func TestInterruptedWhileStarting(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(clitest.EnvSXD, clitest.NeverReady)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for localserver.Recorded(dir) == nil && t.Context().Err() == nil {
			<-tick.C
		}
		cancel()
	}()
	_, err := localserver.Start(ctx, localserver.Options{Program: os.Args[0], Addr: "127.0.0.1:0", Dir: dir, Detached: true})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	mustNotRun(t, dir)
}

func TestForeignProcessIsIgnored(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		api.Write(w, http.StatusOK, api.Health{Status: "ok", Instance: "another"})
	}))
	defer other.Close()
	gone := testkit.NoServer(t)
	for name, url := range map[string]string{"another instance": other.URL, "nobody": gone, "no address": "http://%"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			// The process of the test itself, which Stop would end.
			record(t, dir, localserver.Instance{PID: os.Getpid(), URL: url, Instance: "mine"})
			mustNotRun(t, dir)
			if err := localserver.Forget(dir); err != nil || localserver.Recorded(dir) != nil {
				t.Errorf("the stale instance file was not removed: %v", err)
			}
		})
	}
}

func TestDamagedRecordIsNone(t *testing.T) {
	dir := t.TempDir()
	for _, content := range []string{"", "{", `{"pid":0,"url":"http://127.0.0.1:1"}`, `{"pid":-1,"url":"http://127.0.0.1:1"}`, `{"pid":5}`} {
		if err := os.WriteFile(filepath.Join(dir, "sxd.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if in := localserver.Recorded(dir); in != nil {
			t.Errorf("%q gave %+v", content, in)
		}
	}
}

func TestLargeLogIsRotated(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(localserver.LogPath(dir), make([]byte, 17<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustStart(t, clitest.Well, dir, true)
	if info, err := os.Stat(localserver.LogPath(dir)); err != nil || info.Size() > 1<<20 {
		t.Errorf("the log: %v, %v", info, err)
	}
	if err := s.Stop(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestInvalidDataDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := start(t, clitest.Well, filepath.Join(file, "data"), true); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("got %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(localserver.LogPath(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := start(t, clitest.Well, dir, true); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("a log that cannot be written: %v", err)
	}
}

func TestFindLooksInPath(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := localserver.Find(); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("got %v", err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "sxd")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if got, err := localserver.Find(); err != nil || got != path {
		t.Errorf("got %s, %v, want %s", got, err, path)
	}
}
