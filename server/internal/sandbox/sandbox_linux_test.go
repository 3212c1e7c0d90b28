package sandbox_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/soundextract/sx/server/internal/sandbox"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// attackVariable makes the test's executable attack what it names; it is the confined
// program.
const attackVariable = "SX_TEST_ATTACK"

func TestMain(m *testing.M) {
	if given := os.Getenv(attackVariable); given != "" {
		var t targets
		if err := json.Unmarshal([]byte(given), &t); err != nil {
			panic(err)
		}
		report(t)
		return
	}
	if len(os.Args) == 2 && os.Args[1] == "-version" { // as sandbox.New does
		return
	}
	m.Run()
}

// targets are what the program attacks.
type targets struct {
	Secret   string // a file that it must not read
	Dir      string // a directory in which it must not write
	Port     int    // a TCP port to which it may connect
	Other    int    // one to which it may not
	UDP      int
	Unix     string // the path of a socket
	Abstract string // the name of one
	Victim   int    // another process of this user
	Parent   int
	User     bool // whether the program says whose it is
}

// attacks are what the program tries. Those that are optional fail on some systems
// without a sandbox too.
func attacks(t targets) []struct {
	name     string
	optional bool
	try      func() error
} {
	dial := func(network, address string) func() error {
		return func() error {
			c, err := net.DialTimeout(network, address, testkit.Timeout)
			if err != nil {
				return err
			}
			if network == "udp" {
				_, err = c.Write([]byte("x"))
			}
			return errors.Join(err, c.Close())
		}
	}
	loopback := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	read := func(path string) func() error {
		return func() error { _, err := os.ReadFile(path); return err }
	}
	call := func(number uintptr, args ...uintptr) func() error {
		return func() error {
			var a [6]uintptr
			copy(a[:], args)
			_, _, e := syscall.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
			if e != 0 {
				return e
			}
			return nil
		}
	}
	text := func(s string) uintptr { return uintptr(unsafe.Pointer(unsafe.StringData(s + "\x00"))) }
	in := func(name string) string { return filepath.Join(t.Dir, name) }
	return []struct {
		name     string
		optional bool
		try      func() error
	}{
		{"read a file", false, read(t.Secret)},
		{"read /etc/passwd", false, read("/etc/passwd")},
		{"read another process's environment", true, read(fmt.Sprintf("/proc/%d/environ", t.Victim))},
		{"list a directory", false, func() error { _, err := os.ReadDir(t.Dir); return err }},
		{"create a file", false, func() error { return os.WriteFile(in("made"), nil, 0o600) }},
		{"append to a file", false, func() error {
			f, err := os.OpenFile(t.Secret, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			return f.Close()
		}},
		{"truncate a file", false, func() error { return os.Truncate(in("long"), 1) }},
		{"change a file's mode", false, func() error { return os.Chmod(in("long"), 0o666) }},
		{"create a directory", false, func() error { return os.Mkdir(in("dir"), 0o700) }},
		{"create a link", false, func() error { return os.Symlink("/", in("link")) }},
		{"rename a file", false, func() error { return os.Rename(in("old"), in("new")) }},
		{"remove a file", false, func() error { return os.Remove(in("gone")) }},
		{"connect to another port", false, dial("tcp", loopback(t.Other))},
		{"send UDP", false, dial("udp", loopback(t.UDP))},
		{"connect to a socket's path", false, dial("unix", t.Unix)},
		{"connect to an abstract socket", false, dial("unix", "@"+t.Abstract)},
		{"listen", false, func() error {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				return err
			}
			return l.Close()
		}},
		{"create a raw socket", true, call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)},
		{"create a multipath socket", true, call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)},
		{"create a netlink socket", false, call(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, 0)},
		{"signal the parent", false, call(unix.SYS_KILL, uintptr(t.Parent), 0)},
		{"signal another process", false, call(unix.SYS_KILL, uintptr(t.Victim), 0)},
		{"signal it by its descriptor", true, func() error {
			fd, err := unix.PidfdOpen(t.Victim, 0)
			if err != nil {
				return err
			}
			return unix.PidfdSendSignal(fd, 0, nil, 0)
		}},
		{"trace another process", true, call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(t.Victim))},
		{"limit another process", false, func() error { return unix.Prlimit(t.Victim, unix.RLIMIT_CORE, &unix.Rlimit{}, nil) }},
		{"create a file in memory", false, call(unix.SYS_MEMFD_CREATE, text("x"))},
		{"create a namespace", true, call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)},
		{"mount", true, call(unix.SYS_MOUNT, text("none"), text(t.Dir), text("tmpfs"))},
		{"load a BPF program", true, call(unix.SYS_BPF)},
		{"use keys", true, call(unix.SYS_KEYCTL, 0, ^uintptr(2))},
		{"use io_uring", true, call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&[120]byte{})))},
		{"use userfaultfd", true, call(unix.SYS_USERFAULTFD, 1)},
		{"measure performance", true, call(unix.SYS_PERF_EVENT_OPEN, uintptr(unsafe.Pointer(&[128]byte{})), 0, ^uintptr(0), ^uintptr(0), 0)},
		{"gain privileges", true, func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) }},
		{"start a process", false, func() error { return exec.Command("/bin/true").Run() }},
	}
}

// report prints the name of each attack that succeeds, and of the connection that is
// allowed. The last attack is to become another program, which then prints it.
func report(t targets) {
	for _, a := range attacks(t) {
		if err := a.try(); err == nil {
			say(a.name)
		}
	}
	if c, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(t.Port))); err == nil {
		_ = c.Close()
		say("allowed")
	}
	if t.User {
		groups, _ := os.Getgroups()
		say(fmt.Sprintf("user %d, group %d, groups %v", os.Getuid(), os.Getgid(), groups))
	}
	say("end")
	_ = syscall.Exec("/bin/echo", []string{"echo", "become a program"}, nil)
}

func say(line string) { _, _ = syscall.Write(syscall.Stdout, []byte(line+"\n")) }

// newTargets returns targets that a program without a sandbox can reach.
func newTargets(t *testing.T) targets {
	t.Helper()
	dir := t.TempDir()
	at := targets{Secret: filepath.Join(dir, "secret"), Dir: filepath.Join(dir, "dir"), Unix: filepath.Join(dir, "socket"), Parent: os.Getpid()}
	if err := os.Mkdir(at.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{at.Secret, filepath.Join(at.Dir, "long"), filepath.Join(at.Dir, "old"), filepath.Join(at.Dir, "gone")} {
		if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at.Abstract = "sx-test-" + sx.NewID()
	listen := func(network, address string) int {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.Close()
			}
		}()
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			return tcp.Port
		}
		return 0
	}
	at.Port, at.Other = listen("tcp4", "127.0.0.1:0"), listen("tcp4", "127.0.0.1:0")
	listen("unix", at.Unix)
	listen("unix", "@"+at.Abstract)
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = udp.Close() })
	at.UDP = udp.LocalAddr().(*net.UDPAddr).Port
	victim := exec.Command("/bin/sleep", "600")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = victim.Process.Kill(), victim.Wait() })
	at.Victim = victim.Process.Pid
	return at
}

// copyOfThis returns a copy of this executable that all users can run.
func copyOfThis(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sx-sandbox-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "attacker")
	// Another process writes it: if it were open here while a parallel test forks, it
	// could not be run ("text file busy").
	write := exec.CommandContext(t.Context(), "sh", "-c", `cat >"$1" && chmod 755 "$1" "$2"`, "sh", path, dir)
	write.Stdin = bytes.NewReader(data)
	if err := write.Run(); err != nil {
		t.Fatal(err)
	}
	return path
}

// attack runs this executable in a sandbox and returns which attacks succeeded.
func attack(t *testing.T, cfg sandbox.Config, p sandbox.Profile, at targets) []string {
	t.Helper()
	program := copyOfThis(t)
	var log bytes.Buffer
	box, err := sandbox.New(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)), program)
	if err != nil {
		t.Fatal(err)
	}
	given, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	p.CPU, p.File, p.Memory = time.Minute, 1<<20, 1<<47 // the race detector reserves that much
	cmd := box.Command(t.Context(), p, program)
	cmd.Env = []string{attackVariable + "=" + string(given)}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &log)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// needConfinement skips the test where the kernel cannot confine programs.
func needConfinement(t *testing.T) {
	t.Helper()
	box, err := sandbox.New(t.Context(), sandbox.Config{}, slog.New(slog.DiscardHandler), "/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if p := box.Protection(); !p.Confined() {
		t.Skipf("this kernel cannot: %+v", p)
	}
}

// TestBreakOut has a program try to break out, in a sandbox with and without a port. What
// it tries works without a sandbox.
func TestBreakOut(t *testing.T) {
	t.Parallel()
	needConfinement(t)
	at := newTargets(t)
	done := attack(t, sandbox.Config{}, sandbox.Profile{Port: at.Port}, at)
	if want := []string{"allowed", "end"}; !slices.Equal(done, want) {
		t.Errorf("with a port, it could: %q; want %q", done, want)
	}
	done = attack(t, sandbox.Config{}, sandbox.Profile{}, at)
	if want := []string{"end"}; !slices.Equal(done, want) {
		t.Errorf("without a port, it could: %q; want %q", done, want)
	}
	done = attack(t, sandbox.Config{Unconfined: true}, sandbox.Profile{}, at)
	for _, a := range attacks(at) {
		if !a.optional && !slices.Contains(done, a.name) {
			t.Errorf("even without a sandbox, it could not: %s", a.name)
		}
	}
	if !slices.Contains(done, "allowed") || !slices.Contains(done, "become a program") {
		t.Errorf("without a sandbox: %q", done)
	}
}

// TestOtherUser checks that a program runs as the other user.
func TestOtherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		_, err := sandbox.New(t.Context(), sandbox.Config{UID: 65534, GID: 65534}, slog.New(slog.DiscardHandler), "/bin/true")
		if sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("without privileges: %v", err)
		}
		t.Skip("only root can become another user")
	}
	needConfinement(t)
	at := newTargets(t)
	at.User = true
	cfg := sandbox.Config{UID: 65534, GID: 65533}
	if done, want := attack(t, cfg, sandbox.Profile{Port: at.Port}, at), []string{"allowed", "user 65534, group 65533, groups []", "end"}; !slices.Equal(done, want) {
		t.Errorf("it could: %q; want %q", done, want)
	}
	cfg.Unconfined = true
	done := attack(t, cfg, sandbox.Profile{Port: at.Port}, at)
	for _, refused := range []string{"read a file", "create a file", "remove a file", "signal the parent", "limit another process"} {
		if slices.Contains(done, refused) {
			t.Errorf("although it is another user's, it could: %s", refused)
		}
	}
}

// TestLimits checks that the limits, and the restrictions that cannot be undone, are in
// force in the program.
func TestLimits(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.Context(), sandbox.Config{Unconfined: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	profile := sandbox.Profile{CPU: 7 * time.Second, File: 1 << 20, Memory: 1 << 30, Data: 1 << 28}
	out, err := box.Command(t.Context(), profile, "/bin/cat", "/proc/self/limits", "/proc/self/status").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(string(out)), " ")
	for _, want := range []string{
		"Max cpu time 8 13 ", "Max file size 1048576 1048576 ", "Max core file size 0 0 ", "Max open files 64 64 ",
		"Max address space 1073741824 1073741824 ", "Max data size 268435456 268435456 ", "CapPrm: 0000000000000000", "CapEff: 0000000000000000", "NoNewPrivs: 1", "Umask: 0077",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
