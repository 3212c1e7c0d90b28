//go:build unix

package acceptance_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/testkit"
)

// TestWatch converts the files of a directory while a recorder writes to one of them and
// another one is copied to it in steps.
func TestWatch(t *testing.T) {
	t.Parallel()
	l := newLaptop(t)
	code, screen := l.run("", "up", "-d", "--addr", "127.0.0.1:0")
	wantScreen(t, code, 0, screen, "The local server is running at")
	if err := os.Mkdir(l.path("in"), 0o700); err != nil {
		t.Fatal(err)
	}
	sine := func(name, frequency string) []byte {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=frequency="+frequency+":duration=3", "-c:a", "aac", l.path(name)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		b, err := os.ReadFile(l.path(name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	exists := func(name string) func() bool {
		return func() bool {
			_, err := os.Stat(l.path(name))
			return err == nil
		}
	}
	write := func(name string, b []byte) {
		t.Helper()
		f, err := os.OpenFile(l.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	recorded, copied := sine("recorded.m4a", "300"), sine("copied.m4a", "500")
	var said bytes.Buffer
	watching := l.command("convert", "in", "-o", "out", "--watch")
	watching.Stdout, watching.Stderr = &said, &said
	if err := watching.Start(); err != nil {
		t.Fatal(err)
	}

	recorder, err := os.Create(l.path("in/recorded.m4a"))
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close() //nolint:errcheck // closed below
	if _, err := recorder.Write(recorded[:1000]); err != nil {
		t.Fatal(err)
	}
	write("in/talk.m4a", sine("talk.m4a", "400"))
	longest, last := time.Duration(0), time.Now()
	testkit.Eventually(t, "the file that is complete", func() bool {
		if len(copied) > 100 {
			longest, last = max(longest, time.Since(last)), time.Now()
			write("in/copied.m4a", copied[:1])
			copied = copied[1:]
		}
		return exists("out/talk.mp3")()
	})
	if exists("out/recorded.mp3")() || exists("out/copied.mp3")() {
		t.Error("a file that was not complete was converted")
	}
	if _, err := recorder.Write(recorded[1000:]); err != nil {
		t.Fatal(err)
	}
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	write("in/copied.m4a", copied)
	testkit.Eventually(t, "the others", func() bool { return exists("out/recorded.mp3")() && exists("out/copied.mp3")() })
	if err := watching.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := watching.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	// A file that was taken too early has failed, or was sent twice.
	if text := said.String(); strings.Contains(text, "failed") || strings.Contains(text, "hint") || strings.Count(text, ": uploading") != 3 {
		t.Errorf("with at most %s between two writes, said\n%s", longest, text)
	}
	code, screen = l.run("", "jobs", "--json", "--jq", ".[].name")
	wantScreen(t, code, 0, screen, "talk.m4a", "copied.m4a", "recorded.m4a")
	if n := strings.Count(screen, "\n"); n != 3 {
		t.Errorf("%d jobs:\n%s", n, screen)
	}
}
