package clitest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/soundextract/sx/server/testkit"
)

// InhibitorLock is a lock that keeps the machine from going to sleep.
type InhibitorLock struct {
	What, Who, Why, Mode string // see https://systemd.io/INHIBITOR_LOCKS

	ours, end *os.File // the ends of a pipe whose writing end is the lock
}

// Ended reports whether nobody holds the lock any longer.
func (l *InhibitorLock) Ended() bool {
	_ = l.end.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := l.end.Read(make([]byte, 1))
	return err != nil && !os.IsTimeout(err)
}

// holders returns how many file descriptors of this process refer to the lock.
func (l *InhibitorLock) holders() int {
	pipe, err := l.end.Stat()
	if err != nil {
		return 0
	}
	n := -1                                      // the reading end
	names, _ := filepath.Glob("/proc/self/fd/*") // the pattern is well-formed
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && os.SameFile(info, pipe) {
			n++
		}
	}
	return n
}

// LoginManager is a fake systemd-logind that grants inhibitor locks.
type LoginManager struct{ locks chan *InhibitorLock }

// NewLoginManager starts a D-Bus daemon that is the system bus of the test, and on it a
// login manager.
func NewLoginManager(t *testing.T) *LoginManager {
	t.Helper()
	testkit.Need(t, "dbus-daemon")
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, []byte(`<busconfig>
<type>session</type>
<listen>unix:path=`+filepath.Join(dir, "bus")+`</listen>
<auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>`), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := exec.CommandContext(t.Context(), "dbus-daemon", "--nofork", "--print-address", "--config-file="+config)
	daemon.Stderr = t.Output()
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait() // it was killed
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it is ready
		t.Fatal(err)
	}
	address := "unix:path=" + filepath.Join(dir, "bus")
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
	bus, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	m := &LoginManager{locks: make(chan *InhibitorLock, 1)}
	methods := map[string]any{"Inhibit": m.inhibit}
	if err := bus.ExportMethodTable(methods, "/org/freedesktop/login1", "org.freedesktop.login1.Manager"); err != nil {
		t.Fatal(err)
	}
	if got, err := bus.RequestName("org.freedesktop.login1", dbus.NameFlagDoNotQueue); err != nil || got != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("got %v, %v", got, err)
	}
	return m
}

func (m *LoginManager) inhibit(what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
	end, ours, err := os.Pipe()
	if err != nil {
		return 0, dbus.MakeFailedError(err)
	}
	fd := dbus.UnixFD(ours.Fd()) //nolint:gosec // file descriptors are small
	m.locks <- &InhibitorLock{What: what, Who: who, Why: why, Mode: mode, ours: ours, end: end}
	return fd, nil
}

// Taken waits until a program has taken a lock, and returns it.
func (m *LoginManager) Taken(t *testing.T) *InhibitorLock {
	t.Helper()
	select {
	case l := <-m.locks:
		testkit.Eventually(t, "the program has the lock", func() bool { return l.holders() == 2 })
		_ = l.ours.Close()
		t.Cleanup(func() { _ = l.end.Close() })
		return l
	case <-time.After(testkit.Timeout):
		t.Fatal("nobody has taken a lock")
		return nil
	}
}

// None fails the test if a lock was taken that Taken has not returned.
func (m *LoginManager) None(t *testing.T) {
	t.Helper()
	select {
	case l := <-m.locks:
		t.Errorf("another lock was taken: %+v", l)
	default:
	}
}
