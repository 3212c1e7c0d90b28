//go:build unix

package acceptance_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/soundextract/sx/cli/acceptance/programs"
	"github.com/soundextract/sx/server/testkit"
)

// laptop is a machine on which sx was just installed: it has a home directory and
// nothing in it.
type laptop struct {
	t    *testing.T
	home string
}

func newLaptop(t *testing.T) *laptop {
	t.Helper()
	build(t)
	l := &laptop{t, t.TempDir()}
	t.Cleanup(func() { programs.Kill(l.data()) })
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=10:duration=2",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:v", "mpeg4", "-c:a", "aac", l.path("talk.mp4")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return l
}

func (l *laptop) path(name string) string { return filepath.Join(l.home, name) }

// data is where sx up keeps data by default.
func (l *laptop) data() string { return l.path("share/soundextract") }

func (l *laptop) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(l.t.Context(), bin.Path("sx"), args...)
	cmd.Dir = l.home
	cmd.Env = []string{
		"HOME=" + l.home, "XDG_DATA_HOME=" + l.path("share"), "SX_CREDENTIALS=file", "TERM=xterm",
		"PATH=" + bin.Dir + string(filepath.ListSeparator) + os.Getenv("PATH"), programs.NoExitPause,
	}
	return cmd
}

// run runs sx without a terminal.
func (l *laptop) run(input string, args ...string) (code int, output string) {
	l.t.Helper()
	cmd := l.command(args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		l.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// session is a run of sx at a terminal.
type session struct {
	t    *testing.T
	cmd  *exec.Cmd
	pty  *os.File
	mu   sync.Mutex
	seen bytes.Buffer
	done chan struct{}
}

func (l *laptop) atTerminal(args ...string) *session {
	l.t.Helper()
	return l.onTerminal(l.command(args...))
}

// onTerminal starts a program at a terminal.
func (l *laptop) onTerminal(cmd *exec.Cmd) *session {
	l.t.Helper()
	s := &session{t: l.t, cmd: cmd, done: make(chan struct{})}
	var err error
	if s.pty, err = pty.StartWithSize(s.cmd, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		buf := make([]byte, 4096)
		for {
			n, err := s.pty.Read(buf)
			s.mu.Lock()
			s.seen.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *session) screen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// answer types a line once the question was asked for the nth time.
func (s *session) answer(question string, nth int, line string) {
	s.t.Helper()
	testkit.Eventually(s.t, question, func() bool { return strings.Count(s.screen(), question) >= nth })
	if _, err := s.pty.WriteString(line + "\n"); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the program and returns its exit code and what was on the screen.
func (s *session) end() (code int, screen string) {
	s.t.Helper()
	_ = s.cmd.Wait()
	select {
	case <-s.done:
	case <-time.After(testkit.Timeout):
		s.t.Error("the terminal is still open")
	}
	_ = s.pty.Close()
	return s.cmd.ProcessState.ExitCode(), s.screen()
}

func wantScreen(t *testing.T, code, wantCode int, screen string, parts ...string) {
	t.Helper()
	if code != wantCode {
		t.Errorf("exit code %d, want %d", code, wantCode)
	}
	for _, p := range parts {
		if !strings.Contains(screen, p) {
			t.Errorf("%q is not on the screen:\n%s", p, screen)
		}
	}
}

// TestOneCommand goes from nothing to an MP3 with one command.
func TestOneCommand(t *testing.T) {
	t.Parallel()
	l := newLaptop(t)
	code, screen := l.run("", "convert", "talk.mp4")
	wantScreen(t, code, 69, screen, "error: no server set", "hint: start one on this machine with: sx up -d")

	no := l.atTerminal("convert", "talk.mp4")
	no.answer("No server set. Convert on this machine? [Y/n]", 1, "n")
	code, screen = no.end()
	wantScreen(t, code, 69, screen, "no server set")
	if _, err := programs.Find(l.data()); err == nil {
		t.Error("a server was started all the same")
	}

	yes := l.atTerminal("convert", "talk.mp4")
	yes.answer("No server set. Convert on this machine? [Y/n]", 1, "")
	code, screen = yes.end()
	wantScreen(t, code, 0, screen, "The local server is running at http://127.0.0.1:", "sx down", "talk.mp3")
	if info, err := os.Stat(l.path("talk.mp3")); err != nil || info.Size() < 10_000 {
		t.Errorf("talk.mp3: %v, %v", info, err)
	}

	// From now on nothing is asked.
	code, screen = l.run("", "whoami")
	wantScreen(t, code, 0, screen, "owner at http://127.0.0.1:")
	code, screen = l.run("", "down")
	wantScreen(t, code, 0, screen, "Stopped the local server")

	// After a restart of the machine.
	again := l.atTerminal("upload", "talk.mp4")
	again.answer("The local server is not running. Start it? [Y/n]", 1, "y")
	code, screen = again.end()
	wantScreen(t, code, 0, screen, "The local server is running at")
	code, screen = l.run("", "jobs")
	wantScreen(t, code, 0, screen, "talk.mp4")
}

// TestPasswordForOthers makes a local server available to other machines.
func TestPasswordForOthers(t *testing.T) {
	t.Parallel()
	l := newLaptop(t)
	const password = "correct horse battery"
	public := []string{"up", "-d", "--addr", "0.0.0.0:0"}
	code, screen := l.run("", public...)
	wantScreen(t, code, 77, screen, "the account owner has no password", "sx passwd")

	up := l.atTerminal(public...)
	up.answer("New password: ", 1, "short")
	up.answer("New password: ", 2, password)
	up.answer("Repeat new password: ", 1, "something else")
	up.answer("New password: ", 3, password)
	up.answer("Repeat new password: ", 2, password)
	code, screen = up.end()
	wantScreen(t, code, 0, screen, "the owner's account needs a password", "the password is too short", "passwords do not match", "sx login owner")
	if strings.Contains(screen, "horse") {
		t.Error("the password was shown")
	}

	code, screen = l.run("", "whoami")
	wantScreen(t, code, 77, screen, "sx login")
	login := l.atTerminal("login", "owner")
	login.answer("Password: ", 1, "wrong horse battery")
	login.answer("Password: ", 2, password)
	code, screen = login.end()
	wantScreen(t, code, 0, screen, "wrong name or password", "as owner")
	code, screen = l.run("", "convert", "talk.mp4")
	wantScreen(t, code, 0, screen, "talk.mp3")
	if code, screen = l.run("", "down"); code != 0 {
		t.Fatal(screen)
	}

	// On loopback again, the owner can set another password without the old one.
	if code, screen = l.run("", "up", "-d", "--addr", "127.0.0.1:0"); code != 0 {
		t.Fatal(screen)
	}
	code, screen = l.run("", "logout")
	wantScreen(t, code, 0, screen, "Signed out owner")
	code, screen = l.run("another horse battery\n", "passwd", "--password-stdin")
	wantScreen(t, code, 0, screen, "Changed the password of owner")
	code, screen = l.run("another horse battery\n", "login", "owner", "--password-stdin")
	wantScreen(t, code, 0, screen, "as owner")
}

// TestPasswordOfTheMailServer asks for the password of the mail server and keeps it in a
// file that nobody else can read.
func TestPasswordOfTheMailServer(t *testing.T) {
	t.Parallel()
	l := newLaptop(t)
	const password = "battery staple"
	up := l.atTerminal("up", "-d", "--addr", "127.0.0.1:0", "--smtp-addr", "127.0.0.1:25", "--smtp-security", "none", "--smtp-user", "anna", "--smtp-from", "sx@example.org")
	up.answer("Password: ", 1, password)
	code, screen := up.end()
	wantScreen(t, code, 0, screen, "Mail server 127.0.0.1:25, user anna", "The local server is running at")
	if strings.Contains(screen, "staple") {
		t.Error("the password was shown")
	}
	file := filepath.Join(l.data(), "smtp-password")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if raw, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(raw)) != password {
		t.Errorf("the file has %q, %v", raw, err)
	}
	if code, screen = l.run("", "down"); code != 0 {
		t.Fatal(screen)
	}
	code, screen = l.run("", "up", "-d") // asks for nothing
	wantScreen(t, code, 0, screen, "The local server is running at")
	code, screen = l.run("", "status", "--json")
	wantScreen(t, code, 0, screen, `"smtp-user":"anna"`, `"smtp-password-file":"`+file+`"`)
	if strings.Contains(screen, "staple") {
		t.Error("the password is one of the settings")
	}
}

// TestNoServerIsReportedFirst checks that sx asks nothing if there is no server, or if what
// answers is not one, such as the page of a hotel's network.
func TestNoServerIsReportedFirst(t *testing.T) {
	t.Parallel()
	l := newLaptop(t)
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>Welcome"))
	}))
	t.Cleanup(portal.Close)
	for server, want := range map[string][]string{
		"http://127.0.0.1:1": {"no server at 127.0.0.1:1", "sx up -d"},
		portal.URL:           {"is not from a SoundExtract server", "sign in to it in a browser"},
	} {
		for _, args := range [][]string{{"register", "anna"}, {"login", "anna"}, {"passwd"}, {"convert", "talk.mp4"}, {"upload", "talk.mp4"}} {
			ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
			s := l.atTerminal(append(args, "--server", server)...)
			stop := context.AfterFunc(ctx, func() { _ = s.cmd.Process.Kill() })
			code, screen := s.end()
			stop()
			cancel()
			wantScreen(t, code, 69, screen, want...)
			if strings.Contains(strings.ToLower(screen), "password:") || strings.Contains(screen, "[Y/n]") {
				t.Errorf("%q asked:\n%s", args, screen)
			}
		}
	}
}

// TestSignalWhileReadingStdin checks that the temporary file of standard input does not stay
// after a signal.
func TestSignalWhileReadingStdin(t *testing.T) {
	t.Parallel()
	l := newLaptop(t)
	code, screen := l.run("", "up", "-d", "--addr", "127.0.0.1:0")
	wantScreen(t, code, 0, screen, "The local server is running at")
	temporary := t.TempDir()
	files := func() []string {
		names, _ := filepath.Glob(filepath.Join(temporary, "*")) // the pattern is well-formed
		return names
	}
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // else sx ignores it too
		signals = append(signals, syscall.SIGHUP)
	}
	for _, signal := range signals {
		cmd := l.command("convert", "-", "-o", "x.mp3")
		cmd.Env = append(cmd.Env, "TMPDIR="+temporary)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = in.Write(make([]byte, 1<<20)) // and then nothing more
		testkit.Eventually(t, "there is a temporary file", func() bool {
			names := files()
			if len(names) != 1 {
				return false
			}
			info, err := os.Stat(names[0])
			return err == nil && info.Size() == 1<<20
		})
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // how it ends is checked here:
		if code := cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("%s: exit code %d", signal, code)
		}
		if names := files(); len(names) != 0 {
			t.Errorf("%s: left are %v", signal, names)
		}
	}
}
