package sx_test

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const lease = 20 * time.Second

// job returns a job in the given state, reached by valid transitions.
func job(t *testing.T, state sx.State) sx.Job {
	t.Helper()
	j := sx.NewJob("user", sx.NewUpload{Source: sx.Source{Name: "talk.mp4"}, Size: 10}, now)
	queue := func() error { return j.Queue("digest", now) }
	claim := func() error { return j.Claim("worker", lease, now) }
	paths := map[sx.State][]func() error{
		sx.StateUploading: {},
		sx.StateQueued:    {queue},
		sx.StateRunning:   {queue, claim},
		sx.StateDone:      {queue, claim, func() error { return j.Finish(1, []sx.Track{{ID: "t"}}, nil, now) }},
		sx.StateFailed:    {queue, claim, func() error { return j.Fail(1, sx.NewError(sx.CodeNoAudio, "no sound"), now) }},
		sx.StateCancelled: {queue, func() error { return j.Cancel(now) }},
		sx.StateExpired:   {func() error { return j.Expire(now) }},
	}
	for _, step := range paths[state] {
		if err := step(); err != nil {
			t.Fatalf("bring a job to %s: %v", state, err)
		}
	}
	if j.State != state {
		t.Fatalf("the job is %s, want %s", j.State, state)
	}
	return j
}

// TestMoves tries every transition in every state.
func TestMoves(t *testing.T) {
	t.Parallel()
	transient := sx.NewError(sx.CodeConversionFailed, "ffmpeg crashed")
	permanent := sx.NewError(sx.CodeTruncated, "too short")
	for _, m := range []struct {
		name string
		do   func(j *sx.Job) error
		from map[sx.State]sx.State // the states in which it is allowed, with the state that follows
	}{
		{"queue", func(j *sx.Job) error { return j.Queue("digest", now) }, map[sx.State]sx.State{sx.StateUploading: sx.StateQueued}},
		{"claim", func(j *sx.Job) error { return j.Claim("w", lease, now) }, map[sx.State]sx.State{sx.StateQueued: sx.StateRunning}},
		{"renew lease", func(j *sx.Job) error { return j.RenewLease(1, lease, 5, 0, now) }, map[sx.State]sx.State{sx.StateRunning: sx.StateRunning}},
		{"finish", func(j *sx.Job) error { return j.Finish(1, []sx.Track{{}}, nil, now) }, map[sx.State]sx.State{sx.StateRunning: sx.StateDone}},
		{"fail for good", func(j *sx.Job) error { return j.Fail(1, permanent, now) }, map[sx.State]sx.State{sx.StateRunning: sx.StateFailed}},
		{"fail for now", func(j *sx.Job) error { return j.Fail(1, transient, now) }, map[sx.State]sx.State{sx.StateRunning: sx.StateQueued}},
		{"postpone", func(j *sx.Job) error { return j.Postpone(1, transient, time.Second, now) }, map[sx.State]sx.State{sx.StateRunning: sx.StateQueued}},
		{"lose worker", func(j *sx.Job) error { return j.LoseWorker(1, now) }, map[sx.State]sx.State{sx.StateRunning: sx.StateQueued}},
		{"release", func(j *sx.Job) error { return j.Release(1, now) }, map[sx.State]sx.State{sx.StateRunning: sx.StateQueued}},
		{"expire lease", func(j *sx.Job) error { return j.ExpireLease(now.Add(lease)) }, map[sx.State]sx.State{sx.StateRunning: sx.StateQueued}},
		{"cancel", func(j *sx.Job) error { return j.Cancel(now) }, map[sx.State]sx.State{
			sx.StateUploading: sx.StateCancelled, sx.StateQueued: sx.StateCancelled, sx.StateRunning: sx.StateCancelled,
		}},
		{"expire", func(j *sx.Job) error { return j.Expire(now) }, map[sx.State]sx.State{sx.StateUploading: sx.StateExpired}},
		{"retry", func(j *sx.Job) error { return j.Retry(now) }, map[sx.State]sx.State{
			sx.StateFailed: sx.StateQueued, sx.StateCancelled: sx.StateQueued,
		}},
	} {
		for _, from := range sx.States() {
			t.Run(m.name+" when "+string(from), func(t *testing.T) {
				t.Parallel()
				j := job(t, from)
				before := j
				err := m.do(&j)
				want, allowed := m.from[from]
				if !allowed {
					if sx.CodeOf(err) != sx.CodeConflict {
						t.Errorf("got %v, want code conflict", err)
					}
					if !reflect.DeepEqual(j, before) {
						t.Errorf("a rejected transition changed the job:\n%+v\n%+v", before, j)
					}
					return
				}
				if err != nil || j.State != want {
					t.Errorf("led to %s, %v; want %s", j.State, err, want)
				}
			})
		}
	}
}

func TestEarlierAttemptIsFenced(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateRunning)
	if err := j.ExpireLease(now.Add(lease)); err != nil {
		t.Fatal(err)
	}
	if err := j.Claim("second", lease, now.Add(lease)); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"RenewLease": j.RenewLease(1, lease, 50, 0, now),
		"Finish":     j.Finish(1, []sx.Track{{}}, nil, now),
		"Fail":       j.Fail(1, sx.NewError(sx.CodeNoAudio, "no sound"), now),
		"Release":    j.Release(1, now),
		"Postpone":   j.Postpone(1, sx.NewError(sx.CodeUnavailable, "down"), time.Second, now),
		"LoseWorker": j.LoseWorker(1, now),
	} {
		if sx.CodeOf(err) != sx.CodeConflict {
			t.Errorf("%s by the first attempt gave %v, want code conflict", name, err)
		}
	}
	if err := j.Finish(2, []sx.Track{{}}, nil, now); err != nil {
		t.Errorf("Finish by the second attempt: %v", err)
	}
}

func TestFinishNumbersTheTracks(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateRunning)
	made := []sx.Track{{ID: "a", Title: "A\n"}, {ID: "b"}}
	if err := j.Finish(1, made, nil, now); err != nil {
		t.Fatal(err)
	}
	if want := []sx.Track{{Number: 1, ID: "a", Title: "A"}, {Number: 2, ID: "b"}}; !slices.Equal(j.Tracks, want) {
		t.Errorf("tracks %+v", j.Tracks)
	}
}

// TestTextsOfTracksAreBounded makes the most of the tags of a video that is split, and of an
// edit.
func TestTextsOfTracksAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", sx.MaxTag)
	size := func(j sx.Job) (n int) {
		for _, t := range j.Tracks {
			n += len(t.Title + t.Artist + t.Album)
		}
		return n
	}
	for _, total := range []int{1, 20, sx.MaxTracks} {
		j := job(t, sx.StateRunning)
		var made []sx.Track
		for i := range total {
			made = append(made, sx.Track{ID: strconv.Itoa(i), Title: long, Artist: long, Album: long})
		}
		if err := j.Finish(1, made, nil, now); err != nil {
			t.Fatal(err)
		}
		if err := j.ReplaceTrack("0", made[0], now); err != nil {
			t.Fatal(err)
		}
		if most := 64 << 10; size(j) > most || total <= 20 && size(j) != 3*total*sx.MaxTag {
			t.Errorf("the texts of %d tracks have %d bytes, want at most %d", total, size(j), most)
		}
	}
}

func TestFailuresAreRetriedWithBackoff(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateQueued)
	at, last := now, time.Duration(0)
	for n := 1; n <= sx.MaxFailures; n++ {
		if err := j.Claim("w", lease, at); err != nil {
			t.Fatalf("claim %d: %v", n, err)
		}
		if err := j.Fail(n, sx.NewError(sx.CodeConversionFailed, "crashed"), at); err != nil {
			t.Fatalf("fail %d: %v", n, err)
		}
		if n == sx.MaxFailures {
			break
		}
		pause := j.NotBefore.Sub(at)
		if pause <= last {
			t.Errorf("pause %d is %v, not longer than %v", n, pause, last)
		}
		if err := j.Claim("w", lease, j.NotBefore.Add(-1)); sx.CodeOf(err) != sx.CodeConflict {
			t.Errorf("a claim before the pause is over gave %v, want code conflict", err)
		}
		at, last = j.NotBefore, pause
	}
	if j.State != sx.StateFailed || j.Error.Code != sx.CodeConversionFailed || j.Notification != sx.NotificationPending {
		t.Errorf("after %d failures: %s, %v, notification %q", sx.MaxFailures, j.State, j.Error, j.Notification)
	}
	if err := j.Retry(now); err != nil || j.Failures != 0 || j.Error != nil || j.Notification != sx.NotificationNone {
		t.Errorf("Retry: %v, %d failures, error %v, notification %q", err, j.Failures, j.Error, j.Notification)
	}
}

func TestLeaseExpirationsAreLimited(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateQueued)
	at := now
	for n := range sx.MaxLeaseExpirations {
		if err := j.Claim("w", lease, at); err != nil {
			t.Fatalf("claim %d: %v", n, err)
		}
		if err := j.ExpireLease(at); sx.CodeOf(err) != sx.CodeConflict {
			t.Errorf("ExpireLease within the lease gave %v, want code conflict", err)
		}
		at = at.Add(lease)
		if err := j.ExpireLease(at); err != nil {
			t.Fatalf("expire lease %d: %v", n, err)
		}
		if n == 0 && !j.NotBefore.IsZero() || n > 0 && j.State == sx.StateQueued && j.NotBefore.Sub(at) < time.Second {
			t.Errorf("after %d expired leases, the job pauses until %v, now is %v", n+1, j.NotBefore, at)
		}
		at = at.Add(4 * time.Minute)
	}
	if j.State != sx.StateFailed || j.Error.Code != sx.CodeWorkerLost {
		t.Errorf("after %d expired leases: %s, %v", sx.MaxLeaseExpirations, j.State, j.Error)
	}
}

// TestPostponedJobsLoseNothing postpones a job more often than it may fail.
func TestPostponedJobsLoseNothing(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateQueued)
	at := now
	for n := 1; n <= 3*sx.MaxFailures; n++ {
		if err := j.Claim("w", lease, at); err != nil {
			t.Fatalf("claim %d: %v", n, err)
		}
		if err := j.Postpone(n, sx.NewError(sx.CodeUnavailable, "down"), 10*time.Second, at); err != nil {
			t.Fatalf("postpone %d: %v", n, err)
		}
		if pause := j.NotBefore.Sub(at); j.Failures != 0 || j.LeaseExpirations != 0 || j.Error.Code != sx.CodeUnavailable || pause < 10*time.Second {
			t.Fatalf("job %+v, pause %v", j, pause)
		}
		at = j.NotBefore
	}
}

func TestRetryRequiresCompleteVideo(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateUploading)
	if err := j.Cancel(now); err != nil {
		t.Fatal(err)
	}
	if err := j.Retry(now); sx.CodeOf(err) != sx.CodeConflict || j.State != sx.StateCancelled {
		t.Errorf("Retry of an incomplete upload: %v, %s; want code conflict, cancelled", err, j.State)
	}
}

func TestProgressNeverGoesBack(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateRunning)
	for _, step := range []struct{ say, want float64 }{{10, 10}, {5, 10}, {100, 99}, {250, 99}} {
		if err := j.RenewLease(1, lease, step.say, time.Second, now); err != nil {
			t.Fatal(err)
		}
		if j.Progress != step.want {
			t.Errorf("after %v percent the job says %v, want %v", step.say, j.Progress, step.want)
		}
	}
}

func TestNextAction(t *testing.T) {
	t.Parallel()
	for state, want := range map[sx.State]sx.Action{
		sx.StateUploading: sx.ActionUpload,
		sx.StateQueued:    sx.ActionNone,
		sx.StateRunning:   sx.ActionLease,
		sx.StateDone:      sx.ActionNotify,
		sx.StateFailed:    sx.ActionNotify,
		sx.StateCancelled: sx.ActionRetention,
		sx.StateExpired:   sx.ActionRetention,
	} {
		j := job(t, state)
		action, due := j.NextAction()
		if action != want || due.IsZero() != (want == sx.ActionNone) {
			t.Errorf("%s: the next action is %q at %v, want %q", state, action, due, want)
		}
		if j.Waiting() != (state == sx.StateQueued) {
			t.Errorf("%s: Waiting() = %v", state, j.Waiting())
		}
	}
	j := job(t, sx.StateDone)
	if err := j.MarkNotified(now); err != nil {
		t.Fatal(err)
	}
	if action, due := j.NextAction(); action != sx.ActionRetention || !due.Equal(now) {
		t.Errorf("the next action of a job whose owner was notified is %q at %v", action, due)
	}
	if err := j.MarkNotified(now); sx.CodeOf(err) != sx.CodeConflict {
		t.Errorf("MarkNotified twice gave %v, want code conflict", err)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateRunning)
	if err := j.Fail(1, sx.NewError(sx.CodeInternal, "no"), now); err != nil {
		t.Fatal(err)
	}
	action, due := j.NextAction()
	if action != sx.ActionResume || !due.Equal(j.NotBefore) || j.Waiting() {
		t.Errorf("after a failure the next action is %q at %v, waiting %v", action, due, j.Waiting())
	}
	if err := j.Resume(due.Add(-1)); sx.CodeOf(err) != sx.CodeConflict {
		t.Errorf("Resume too early gave %v, want code conflict", err)
	}
	if err := j.Resume(due); err != nil || !j.Waiting() {
		t.Errorf("Resume gave %v, waiting %v", err, j.Waiting())
	}
	if err := j.Resume(due); sx.CodeOf(err) != sx.CodeConflict {
		t.Errorf("Resume twice gave %v, want code conflict", err)
	}
}
