//go:build unix

package acceptance_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/acceptance/programs"
	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/server/testkit"
)

// ctrlC is what the terminal turns into SIGINT.
const ctrlC = "\x03"

// rows returns what the terminal shows now.
func (s *session) rows() []string {
	s.t.Helper()
	return strings.Split(strings.TrimSuffix(clitest.Screen(s.t, []byte(s.screen()), 80, 24), "\n"), "\n")
}

// see waits until a row of the terminal matches the pattern.
func (s *session) see(pattern string) {
	s.t.Helper()
	want := regexp.MustCompile(pattern)
	testkit.Eventually(s.t, pattern, func() bool {
		for _, row := range s.rows() {
			if want.MatchString(row) {
				return true
			}
		}
		return false
	}, func() any { return s.screen() })
}

// press types a key.
func (s *session) press(key string) {
	s.t.Helper()
	if _, err := s.pty.WriteString(key); err != nil {
		s.t.Fatal(err)
	}
}

// sound creates a stereo recording of a number of seconds.
func (l *laptop) sound(name string, frequency, seconds int, codec string) {
	l.t.Helper()
	sine := fmt.Sprintf("sine=frequency=%d:sample_rate=48000:duration=%d", frequency, seconds)
	out, err := exec.CommandContext(l.t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", sine, "-ac", "2", "-c:a", codec, l.path(name)).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v\n%s", err, out)
	}
}

// TestAtTheTerminal has stories about one local server.
func TestAtTheTerminal(t *testing.T) {
	t.Parallel()
	owner := newLaptop(t)
	code, screen := owner.run("", "up", "-d", "--addr", "127.0.0.1:0", "--registration", "open")
	wantScreen(t, code, 0, screen, "The local server is running at")
	for name, story := range map[string]func(*testing.T, *laptop){
		"refused passwords":      refusedPasswords,
		"interrupted conversion": interruptedConversion,
		"followed log":           followedLog,
		"several files":          severalFiles,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t, &laptop{t, owner.home})
		})
	}
}

// refusedPasswords checks that a password that the server refuses is asked for again, three
// times in all.
func refusedPasswords(t *testing.T, owner *laptop) {
	server, err := programs.Find(owner.data())
	if err != nil {
		t.Fatal(err)
	}
	l := &laptop{t, t.TempDir()}
	const password = "correct horse battery\n"
	code, screen := l.run(password, "register", "anna", "--password-stdin", "--server", server.URL)
	wantScreen(t, code, 0, screen, "Created account anna")

	type step struct{ question, answer string }
	try := func(args []string, refusal string, steps ...step) {
		t.Helper()
		s := l.atTerminal(append(args, "--server", server.URL)...)
		asked := map[string]int{}
		for range 3 {
			for _, a := range steps {
				asked[a.question]++
				s.answer(a.question, asked[a.question], a.answer)
			}
		}
		code, screen := s.end()
		wantScreen(t, code, 77, screen, "error:\x1b[0m "+refusal, "hint:")
		if n := strings.Count(screen, refusal); n != 3 {
			t.Errorf("%q was said %d times:\n%s", refusal, n, screen)
		}
		if n := strings.Count(screen, steps[0].question); n != 3 {
			t.Errorf("asked %d times:\n%s", n, screen)
		}
	}
	try([]string{"passwd"}, "the password is wrong", step{"Old password: ", "incorrect horse"},
		step{"New password: ", "another horse"}, step{"Repeat new password: ", "another horse"})
	try([]string{"login", "anna"}, "wrong name or password", step{"Password: ", "incorrect horse"})
	code, screen = l.run(password, "login", "anna", "--password-stdin", "--server", server.URL)
	wantScreen(t, code, 0, screen, "as anna")
}

// interruptedConversion presses Ctrl-C after the upload. The command that sx names then fetches
// the MP3.
func interruptedConversion(t *testing.T, l *laptop) {
	l.sound("lecture.mka", 440, 600, "flac")
	s := l.atTerminal("convert", "lecture.mka", "-o", "my lecture.mp3")
	s.see(`^lecture\.mka  converting `)
	s.press(ctrlC)
	code, screen := s.end()
	wantScreen(t, code, 130, screen, "lecture.mka: the server continues; download the MP3 later with: ")
	found := regexp.MustCompile(`later with: (sx download (\S+) -o .*)\r`).FindStringSubmatch(screen)
	if found == nil {
		t.Fatalf("no command in\n%s", screen)
	}
	code, screen = l.run("", "watch", found[2])
	wantScreen(t, code, 0, screen, "done")
	cmd := l.command()
	cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", found[1]}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", found[1], err, out)
	}
	code, screen = l.run("", "convert", "lecture.mka", "-o", "my lecture.mp3")
	wantScreen(t, code, 0, screen, "already there")
}

// followedLog checks that new lines of the log appear until Ctrl-C.
func followedLog(t *testing.T, l *laptop) {
	s := l.atTerminal("logs", "-f", "gateway")
	s.see(` INFO  gateway `)
	if strings.Contains(s.screen(), "feed created") {
		t.Fatal(s.screen())
	}
	code, screen := l.run("", "feed", "create", "followed")
	wantScreen(t, code, 0, screen, "/feed.xml")
	s.see(` INFO  gateway    feed created `)
	s.press(ctrlC)
	code, screen = s.end()
	wantScreen(t, code, 130, screen, "interrupted")
}

// severalFiles looks at the total of several files while they are uploaded, and at the end.
func severalFiles(t *testing.T, l *laptop) {
	for i, name := range []string{"week1.wav", "week2.wav", "week3.wav"} {
		l.sound(name, 400+i, 5, "pcm_s16le")
	}
	s := l.atTerminal("convert", "week1.wav", "week2.wav", "week3.wav", "-o", "week", "--bwlimit", "600k", "--parallel", "2")
	s.see(`^[0-2] of 3 done  \d{1,2}%  \d+ kB/s  \d+s left$`)
	code, screen := s.end()
	wantScreen(t, code, 0, screen)
	rows := s.rows()
	last := rows[len(rows)-1]
	if !regexp.MustCompile(`^3 converted, \d+s$`).MatchString(last) {
		t.Errorf("the last line is %q of\n%s", last, strings.Join(rows, "\n"))
	}
}
