package sx_test

import (
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
)

func TestDeletion(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	all := sx.Retention{Videos: 7 * day, Failed: 30 * day, Tracks: 365 * day}
	midnight := time.Date(2027, 1, 3, 0, 0, 0, 0, time.UTC) // the end of the day a year after the job ended
	for name, tt := range map[string]struct {
		state  sx.State
		kept   sx.Retention
		change func(*sx.Job)
		video  time.Time
		job    time.Time
	}{
		"running":                        {state: sx.StateRunning, kept: all},
		"uploading":                      {state: sx.StateUploading, kept: all},
		"done":                           {state: sx.StateDone, kept: all, video: now.Add(7 * day), job: midnight},
		"done, tracks forever":           {state: sx.StateDone, kept: sx.DefaultRetention(), video: now.Add(7 * day)},
		"done, videos forever":           {state: sx.StateDone, kept: sx.Retention{Tracks: 365 * day}, video: midnight, job: midnight},
		"done, videos longer":            {state: sx.StateDone, kept: sx.Retention{Videos: 999 * day, Tracks: 365 * day}, video: midnight, job: midnight},
		"done, everything forever":       {state: sx.StateDone},
		"done, without the video":        {state: sx.StateDone, kept: all, change: func(j *sx.Job) { j.VideoDeleted = true }, job: midnight},
		"failed":                         {state: sx.StateFailed, kept: all, video: now.Add(30 * day), job: now.Add(30 * day)},
		"failed, forever":                {state: sx.StateFailed, kept: sx.Retention{Videos: day}},
		"cancelled":                      {state: sx.StateCancelled, kept: all, video: now.Add(30 * day), job: now.Add(30 * day)},
		"cancelled, while it uploaded":   {state: sx.StateCancelled, kept: all, change: func(j *sx.Job) { j.Sent.SHA256 = "" }, job: now.Add(30 * day)},
		"expired":                        {state: sx.StateExpired, kept: all, job: now.Add(30 * day)},
		"no record of when it ended":     {state: sx.StateFailed, kept: all, change: func(j *sx.Job) { j.Ended = time.Time{} }},
		"done at midnight to the second": {state: sx.StateDone, kept: sx.Retention{Tracks: day}, change: func(j *sx.Job) { j.Ended = midnight }, video: midnight.Add(day), job: midnight.Add(day)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := job(t, tt.state)
			if tt.change != nil {
				tt.change(&j)
			}
			d := tt.kept.Deletion(&j, now)
			if !d.Video.Equal(tt.video) || !d.Job.Equal(tt.job) {
				t.Errorf("the video is deleted at %v and the job at %v, want %v and %v", d.Video, d.Job, tt.video, tt.job)
			}
			if wants := tt.state == sx.StateDone && !tt.job.IsZero(); wants != d.Announce.Equal(tt.job.Add(-36*time.Hour)) {
				t.Errorf("the deletion at %v is announced at %v", tt.job, d.Announce)
			}
		})
	}
}

func TestRetryEndsRetention(t *testing.T) {
	t.Parallel()
	j := job(t, sx.StateFailed)
	if err := j.Retry(now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if d := sx.DefaultRetention().Deletion(&j, now); d != (sx.Deletion{}) || !j.Ended.IsZero() {
		t.Errorf("a job that is retried would be deleted: %+v, ended %v", d, j.Ended)
	}
}

// TestAnnouncement checks when the deletion of an MP3 is announced, and when it is due.
func TestAnnouncement(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	kept := sx.Retention{Tracks: 10 * day}
	j := job(t, sx.StateDone) // ended on 2 January at 03:04
	planned := time.Date(2026, 1, 13, 0, 0, 0, 0, time.UTC)
	expect := func(what string, at, deleted, announce time.Time) {
		t.Helper()
		if d := kept.Deletion(&j, at); !d.Job.Equal(deleted) || !d.Announce.Equal(announce) {
			t.Errorf("%s: deleted at %v, announced at %v, want %v and %v", what, d.Job, d.Announce, deleted, announce)
		}
	}
	noon := planned.Add(-36 * time.Hour)
	expect("at first", now, planned, noon)
	expect("when it is to be announced", noon, planned, noon)
	expect("never announced", planned, planned.Add(day), noon)
	expect("never announced, later", planned.Add(time.Hour), planned.Add(2*day), noon)

	if err := j.AnnounceDeletion(planned, noon); sx.CodeOf(err) != sx.CodeConflict {
		t.Errorf("announced before its owner knows that it is done: %v", err)
	}
	if err := j.MarkNotified(now); err != nil {
		t.Fatal(err)
	}
	if err := j.AnnounceDeletion(planned, noon); err != nil {
		t.Fatal(err)
	}
	if action, due := j.NextAction(); action != sx.ActionAnnounce || !due.Equal(noon) {
		t.Errorf("the next action is %q at %v", action, due)
	}
	late := j
	for _, c := range []struct {
		job     *sx.Job
		at      time.Time
		deleted time.Time
	}{{&j, noon.Add(time.Hour), planned}, {&late, planned.Add(-23 * time.Hour), planned.Add(day)}} {
		if err := c.job.MarkAnnounced(c.at); err != nil {
			t.Fatal(err)
		}
		if action, due := c.job.NextAction(); action != sx.ActionRetention || !due.Equal(c.deleted) {
			t.Errorf("announced at %v, the next action is %q at %v, want %v", c.at, action, due, c.deleted)
		}
	}
	expect("once announced", planned, planned, time.Time{})
	kept.Tracks = 20 * day
	expect("a longer period is announced again", planned, planned.Add(10*day), noon.Add(10*day))
	kept.Tracks = 0
	expect("forever", planned, time.Time{}, time.Time{})
}
