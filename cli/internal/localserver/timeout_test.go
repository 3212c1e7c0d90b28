//go:build unix

package localserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestServerThatDoesNotBecomeReady(t *testing.T) {
	t.Setenv("TEST_FAKE_SXD", clitest.NeverReady)
	dir := t.TempDir()
	_, err := start(t.Context(), Options{Program: os.Args[0], Addr: "127.0.0.1:0", Dir: dir}, 300*time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), LogPath(dir)) {
		t.Fatalf("got %v", err)
	}
	if Recorded(dir) != nil {
		t.Error("the server was left running")
	}
}

func TestServerThatDoesNotStop(t *testing.T) {
	t.Setenv("TEST_FAKE_SXD", clitest.IgnoresStop)
	dir := t.TempDir()
	s, err := Start(t.Context(), Options{Program: os.Args[0], Addr: "127.0.0.1:0", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(s.PID, syscall.SIGKILL) }()
	err = stop(t.Context(), dir, &s.Instance, 100*time.Millisecond)
	if sx.CodeOf(err) != sx.CodeUnavailable || !strings.Contains(sx.AsError(err).Hint, "kill -9") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := stop(ctx, dir, &s.Instance, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestSilentServerIsNotStale(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // never accepts
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	dir := t.TempDir()
	file := fmt.Sprintf(`{"pid":%d,"url":"http://%s","instance":"mine"}`, os.Getpid(), l.Addr())
	if err := os.WriteFile(filepath.Join(dir, api.InstanceFile), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := running(t.Context(), dir, 100*time.Millisecond); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("got %v, want unavailable", err)
	}
}

func TestZombieIsNotAlive(t *testing.T) {
	// A child that has exited and is not waited for.
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "exit 0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	if _, err := os.Stat("/proc/self/stat"); err == nil { // elsewhere a zombie looks alive
		if err := until(ctx, func() bool { return !alive(pid) }); err != nil {
			t.Error(err)
		}
	}
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Error("a process that has exited counts as alive")
	}
	if err := Stop(ctx, t.TempDir(), &Instance{PID: pid}); err != nil {
		t.Errorf("stopping a server that has exited: %v", err)
	}
}
