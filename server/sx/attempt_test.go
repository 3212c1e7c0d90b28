package sx_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// TestAttempts checks what a job records of its attempts, and that other copies of the job
// keep theirs.
func TestAttempts(t *testing.T) {
	t.Parallel()
	transient := sx.NewError(sx.CodeConversionFailed, "ffmpeg crashed")
	for _, tt := range []struct {
		end  func(j *sx.Job, at time.Time) error
		want sx.AttemptResult
		err  bool
	}{
		{func(j *sx.Job, at time.Time) error { return j.Finish(1, []sx.Track{{}}, nil, at) }, sx.AttemptDone, false},
		{func(j *sx.Job, at time.Time) error { return j.Fail(1, transient, at) }, sx.AttemptFailed, true},
		{func(j *sx.Job, at time.Time) error { return j.Postpone(1, transient, time.Second, at) }, sx.AttemptPostponed, true},
		{func(j *sx.Job, at time.Time) error { return j.Release(1, at) }, sx.AttemptReleased, false},
		{func(j *sx.Job, at time.Time) error { return j.LoseWorker(1, at) }, sx.AttemptLost, false},
		{func(j *sx.Job, at time.Time) error { return j.Cancel(at) }, sx.AttemptCancelled, false},
	} {
		t.Run(string(tt.want), func(t *testing.T) {
			t.Parallel()
			j := job(t, sx.StateQueued)
			if err := j.Claim(sx.NewWorker("pod-1"), lease, now); err != nil {
				t.Fatal(err)
			}
			running := j
			ended := now.Add(time.Minute)
			if err := tt.end(&j, ended); err != nil {
				t.Fatal(err)
			}
			got := j.Attempts[0]
			if len(j.Attempts) != 1 || got.Number != 1 || got.Host != "pod-1" || !got.Started.Equal(now) || !got.Ended.Equal(ended) ||
				got.Result != tt.want || (got.Error != nil) != tt.err {
				t.Errorf("the attempts are %+v", j.Attempts)
			}
			if before := running.Attempts[0]; before.Result != sx.AttemptRunning || !before.Ended.IsZero() {
				t.Errorf("the copy was changed: %+v", before)
			}
			if err := j.Report(1, []string{"too late"}); sx.CodeOf(err) != sx.CodeConflict {
				t.Errorf("a report after the end: %v", err)
			}
		})
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateQueued)
	for range 3 * sx.MaxAttempts {
		if err := j.Claim("worker", lease, now); err != nil {
			t.Fatal(err)
		}
		if err := j.Release(j.Attempt, now); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(j.Attempts); n != sx.MaxAttempts || j.Attempts[n-1].Number != 3*sx.MaxAttempts {
		t.Errorf("%d attempts are kept, the last is %d", n, j.Attempts[n-1].Number)
	}
}

// TestReport checks that messages, which may quote the video, are bounded and cleaned.
func TestReport(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateRunning)
	var messages []string
	for i := range 100 {
		messages = append(messages, fmt.Sprintf("\x1b[31mline %d\n", i)+strings.Repeat("ä", 1000))
	}
	if err := j.Report(j.Attempt, messages); err != nil {
		t.Fatal(err)
	}
	kept := j.Attempts[0].Messages
	if len(kept) != 10 || !strings.Contains(kept[9], "line 99") {
		t.Fatalf("%d messages are kept: %q", len(kept), kept)
	}
	for _, m := range kept {
		if len(m) > 210 || strings.ContainsAny(m, "\x1b\n") {
			t.Errorf("kept as %q", m)
		}
	}
}

// TestSince checks since when a job is in its state.
func TestSince(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	j := job(t, sx.StateUploading)
	check := func(want time.Time) {
		t.Helper()
		if got := j.Since(); !got.Equal(want) {
			t.Errorf("%s since %v, want %v", j.State, got, want)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(now)
	do(j.Queue("digest", at(1)))
	check(at(1))
	do(j.Claim("worker", lease, at(2)))
	check(at(2))
	do(j.Release(1, at(3)))
	check(at(1))
	do(j.Claim("worker", lease, at(4)))
	do(j.Fail(2, sx.NewError(sx.CodeNoAudio, "no sound"), at(5)))
	check(at(5))
	do(j.Retry(at(6)))
	check(at(6))
}
