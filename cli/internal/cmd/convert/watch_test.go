package convert_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "in/sub/first.mp4", videoOf("1"))
	f.write(t, "in/empty.mp4", nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	streams, out, errOut := term.Test("")
	ended := make(chan error, 1)
	go func() { ended <- f.runOn(ctx, t, streams, f.file("in"), "-o", f.file("out"), "--watch") }()
	exists := func(name string) func() bool {
		return func() bool {
			_, err := os.Stat(f.file(name))
			return err == nil
		}
	}
	testkit.Eventually(t, "the file that was there", exists("out/sub/first.mp3"))

	// A recording that is still being written, also in a new directory, is not converted.
	f.write(t, "in/new/x", nil)
	recording, err := os.Create(f.file("in/new/second.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = recording.Close() }()
	if _, err := recording.Write(videoOf("2")[:1000]); err != nil {
		t.Fatal(err)
	}
	f.write(t, "in/third.mp4", videoOf("3"))
	testkit.Eventually(t, "a new file", exists("out/third.mp3"))
	if runtime.GOOS == "linux" && exists("out/new/second.mp3")() {
		t.Error("a file that is being written was converted")
	}
	if _, err := recording.Write(videoOf("2")[1000:]); err != nil {
		t.Fatal(err)
	}
	if err := recording.Close(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the recording", exists("out/new/second.mp3"))
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	f.check(t, f.file("out/new/second.mp3"), "2")
	f.wantJobs(t, 3)
	if strings.Count(out.String(), "\n") != 3 || strings.Contains(errOut.String(), "empty.mp4") {
		t.Errorf("printed %q and %q", out, errOut)
	}
}

// A file that fails is reported once, alone and among others, and with its hint.
func TestWatchReportsAFailureOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch && r.Header.Get("Upload-Offset") == "0" {
			api.WriteError(w, sx.NewError(sx.CodeNotMedia, "this is no media").WithHint("look at it"))
			return true
		}
		return false
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	streams, _, errOut := term.Test("")
	said := &lockedBuffer{w: errOut}
	streams.ErrOut = said
	ended := make(chan error, 1)
	f.write(t, "alone/a.mp4", videoOf("1"))
	go func() { ended <- f.runOn(ctx, t, streams, f.file("alone"), "-o", f.file("out"), "--watch") }()
	testkit.Eventually(t, "the first failure", func() bool { return strings.Contains(said.String(), "this is no media") })
	f.write(t, "alone/b.mp4", videoOf("2"))
	f.write(t, "alone/c.mp4", videoOf("3"))
	testkit.Eventually(t, "two more", func() bool { return strings.Count(said.String(), "this is no media") >= 3 }, func() any { return said.String() })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	for _, name := range []string{"a.mp4", "b.mp4", "c.mp4"} {
		if n := strings.Count(said.String(), name+": this is no media"); n != 1 {
			t.Errorf("%s is reported %d times in %q", name, n, said)
		}
	}
	if n := strings.Count(said.String(), "look at it"); n != 3 {
		t.Errorf("%d hints in %q", n, said)
	}
}

// lockedBuffer makes a buffer usable while a command writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.w.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.w.String()
}

func TestWatchNeedsADirectory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, args := range [][]string{{f.file("a.mp4"), "--watch"}, {f.dir, "--watch", "-o", "-"}, {f.dir, "--watch", "--dry-run"}} {
		if _, _, err := f.run(t.Context(), t, false, args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
}
