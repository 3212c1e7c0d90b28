package term_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/sx"
)

var _ transfer.Progress = (*term.ProgressBar)(nil)

func TestPlainLines(t *testing.T) {
	t.Parallel()
	streams, out, errOut := term.Test("")
	d := term.NewProgressDisplay(streams)
	a, b, c := d.Add("a.mp4", 100), d.Add("b.mp4", 0, "uploading", "converting", "downloading"), d.Add("c.mp4", 0)
	a.Say("going on at %d B", 40)
	a.Start("uploading", 40, 100)
	a.Wait("no connection", time.Now().Add(100*time.Millisecond)) // too short for a line
	a.Wait("no connection", time.Now().Add(8*time.Second))
	a.Wait("no connection", time.Now().Add(8*time.Second)) // reported a moment ago
	for i := range int64(60) {
		a.Set(40 + i) // at most one line a second
	}
	b.Percent("queued", 0, 0)
	b.Percent("converting", 0, 0)
	b.Percent("converting", 10, time.Minute)
	a.Done("uploaded")
	a.Wait("no connection", time.Now().Add(time.Hour))
	b.Fail(sx.NewError(sx.CodeNoAudio, "there is no sound").WithHint("choose another"), "choose another", true)
	c.Fail(errors.New("reported elsewhere"), "", false)
	if _, err := io.WriteString(d.Out(), "result\n"); err != nil {
		t.Fatal(err)
	}
	d.Wait("no connection", time.Now().Add(2*time.Second))
	d.Close()
	want := `a.mp4: going on at 40 B
a.mp4: uploading, 100 B
a.mp4: no connection, trying again in 8s
b.mp4: queued
b.mp4: converting
a.mp4: uploaded
b.mp4: there is no sound
no connection, trying again in 2s
1 uploaded, 2 failed, 0s
b.mp4: there is no sound
  choose another
`
	if errOut.String() != want {
		t.Errorf("got\n%swant\n%s", errOut, want)
	}
	if out.String() != "result\n" {
		t.Errorf("results: %q", out)
	}
}

// TestFailuresAreNeverComplete checks that nothing that fails at its very end was shown as
// complete, and that neither is the total.
func TestFailuresAreNeverComplete(t *testing.T) {
	t.Parallel()
	streams, _, errOut := term.Test("")
	streams.ErrTTY = true
	d := term.NewProgressDisplay(streams)
	a, b := d.Add("a.mp4", 100, "converting"), d.Add("b.mp4", 100, "converting", "downloading")
	a.Percent("converting", 100, 0)
	b.Start("downloading", 0, 100)
	b.Set(100)
	d.Say("at the end")
	a.Fail(errors.New("trouble"), "", true)
	d.Say("after a failure")
	b.Fail(errors.New("trouble"), "", true)
	d.Say("after two")
	d.Close()
	_, got, _ := strings.Cut(errOut.String(), "at the end\n")
	for _, want := range []string{"0 of 2 done  99%", "0 of 2 done, 1 failed  99%", "0 of 2 done, 2 failed\x1b", "b.mp4  failed\x1b", "2 failed, 0s"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if _, failed, _ := strings.Cut(got, "after two\n"); strings.Contains(failed, "%") {
		t.Errorf("something that failed has a percentage: %q", failed)
	}
}

func TestTerminalBlock(t *testing.T) {
	t.Parallel()
	streams, out, errOut := term.Test("")
	streams.ErrTTY = true // of the size 80 × 24, as it has no file descriptor
	d := term.NewProgressDisplay(streams)
	a, b := d.Add("a.mp4", 100, "uploading", "converting"), d.Add("b.mp4", 0, "converting", "downloading")
	a.Start("uploading", 0, 100)
	a.Set(50)
	b.Rename("b renamed.mp4")
	b.Percent("converting", 30, time.Minute)
	d.Say("a line above")
	if _, err := io.WriteString(d.Out(), "result\n"); err != nil {
		t.Fatal(err)
	}
	a.Done("done")
	b.Fail(errors.New("trouble"), "", true)
	d.Close()
	got := errOut.String()
	for _, want := range []string{
		"a line above\n",
		"a.mp4          uploading    50% [",
		"b renamed.mp4  converting   30% [", "1m left",
		"b renamed.mp4: trouble\n",
		"0 of 2 done  20%",
		"a.mp4          done", "b renamed.mp4  failed at 30%", "1 done, 1 failed, 0s",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if out.String() != "result\n" {
		t.Errorf("results: %q", out)
	}
}
