package convert_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
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

	// A recording that still runs, also in a new directory, is not converted.
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

func TestWatchNeedsADirectory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, args := range [][]string{{f.file("a.mp4"), "--watch"}, {f.dir, "--watch", "-o", "-"}, {f.dir, "--watch", "--dry-run"}} {
		if _, _, err := f.run(t.Context(), t, false, args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
}
