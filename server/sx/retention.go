package sx

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Retention says how long finished jobs are kept, by kind of data; 0 means forever. The
// periods begin when a job ends.
type Retention struct {
	Videos time.Duration // the video of a job that is done
	// Failed is for jobs that ended without an MP3: failed, cancelled and expired. The
	// video is kept as long as the job, for a retry.
	Failed time.Duration
	Tracks time.Duration // a job that is done, with its MP3
}

// DefaultRetention returns the retention of a server that does not configure it.
func DefaultRetention() Retention {
	const day = 24 * time.Hour
	return Retention{Videos: 7 * day, Failed: 30 * day}
}

// Deletion says when something of a job is deleted; a zero time means never.
type Deletion struct {
	Video time.Time // also zero if there is no video
	Job   time.Time // with its MP3
	// Announce is when to tell the owner that the job will be deleted; zero if it has no MP3
	// or this deletion was announced.
	Announce time.Time
}

// Next returns the earliest of the times, which is zero if all are.
func (d Deletion) Next() time.Time {
	var next time.Time
	for _, t := range []time.Time{d.Video, d.Job, d.Announce} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// HasVideo reports whether the video of the job is stored, or arriving.
func (j *Job) HasVideo() bool {
	return !j.VideoDeleted && j.State != StateExpired && (j.State != StateCancelled || j.Sent.SHA256 != "")
}

// ParsePeriod parses a number of days, or a duration in the format of Go of at least a
// minute; 0 means forever.
func ParsePeriod(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int64
		if n, err = strconv.ParseInt(days, 10, 64); n < 0 || n > math.MaxInt64/int64(retentionDay) {
			n = -1
		}
		d = time.Duration(n) * retentionDay
	}
	if err != nil || d < 0 || d > 0 && d < time.Minute {
		return 0, fmt.Errorf("%q is not a period such as 30d or 12h; 0 means forever", text)
	}
	return d, nil
}

// FormatPeriod formats a period as ParsePeriod reads it: in days if they are whole,
// otherwise without units that are 0.
func FormatPeriod(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d%retentionDay == 0:
		return strconv.FormatInt(int64(d/retentionDay), 10) + "d"
	case d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d%time.Minute == 0:
		return strings.TrimSuffix(d.String(), "0s")
	default:
		return d.String()
	}
}

const (
	retentionDay = 24 * time.Hour
	// announceAhead is how long before a deletion it is announced, noticePeriod the least time
	// between the two.
	announceAhead = 36 * time.Hour
	noticePeriod  = 24 * time.Hour
)

// midnight returns the first midnight UTC that is not before t.
func midnight(t time.Time) time.Time {
	return t.UTC().Add(retentionDay - 1).Truncate(retentionDay) // absolute days begin at midnight UTC
}

// Deletion returns when the job and its video are deleted. Jobs with MP3s are deleted at
// midnight UTC, so that all those of a day can be announced together, and at least a day
// after the announcement. An MP3 is kept while a link to it is valid.
func (r Retention) Deletion(j *Job, now time.Time) (d Deletion) {
	if j.Ended.IsZero() || !j.State.Final() {
		return d
	}
	if j.State != StateDone {
		d.Job = after(j.Ended, r.Failed)
		if j.HasVideo() {
			d.Video = d.Job
		}
		return d
	}
	if planned := after(j.Ended, r.Tracks); !planned.IsZero() {
		if shared := j.sharedUntil(); shared.After(planned) {
			planned = shared
		}
		planned = midnight(planned)
		switch soonest := midnight(now.Add(noticePeriod)); {
		case !j.Announced.Before(planned):
			d.Job = j.Announced
		case soonest.After(planned): // the period was shortened
			d.Job, d.Announce = soonest, planned.Add(-announceAhead)
		default:
			d.Job, d.Announce = planned, planned.Add(-announceAhead)
		}
	}
	if !j.HasVideo() {
		return d
	}
	d.Video = after(j.Ended, r.Videos)
	if !d.Job.IsZero() && (d.Video.IsZero() || d.Video.After(d.Job)) {
		d.Video = d.Job
	}
	return d
}

func after(t time.Time, period time.Duration) time.Time {
	if period <= 0 {
		return time.Time{}
	}
	return t.Add(period)
}

// DeleteVideo records that the video of a job that is done was deleted, and when its
// retention is checked next.
func (j *Job) DeleteVideo(next time.Time) error {
	if j.State != StateDone || j.VideoDeleted {
		return NewError(CodeConflict, "job %s is %s and its video is not to be deleted", j.ID, j.State)
	}
	j.VideoDeleted, j.Check = true, next
	return nil
}

// AnnounceDeletion schedules the announcement, to the owner of a job that is done, that
// the job will be deleted at the given time.
func (j *Job) AnnounceDeletion(at, now time.Time) error {
	if j.State != StateDone || j.Notification == NotificationPending {
		return NewError(CodeConflict, "job %s is %s and its deletion is not to be announced", j.ID, j.State)
	}
	j.Notification, j.Announced, j.Check = NotificationDeletion, at, now
	return nil
}

// WithdrawDeletion forgets that a deletion was announced, for a job that is kept after all: a
// later deletion is announced again.
func (j *Job) WithdrawDeletion(now time.Time) error {
	if j.State != StateDone || j.Notification != NotificationSent {
		return NewError(CodeConflict, "job %s is %s and no deletion of it was announced", j.ID, j.State)
	}
	j.Announced, j.Check = time.Time{}, now
	return nil
}

// DeletionToAnnounce returns the time of deletion to tell the owner at now: the planned
// time, or a later one if that is less than a day away.
func (j *Job) DeletionToAnnounce(now time.Time) time.Time {
	if soonest := now.Add(noticePeriod); soonest.After(j.Announced) {
		return midnight(soonest)
	}
	return j.Announced
}

// MarkAnnounced records that the owner was notified at now that the job will be deleted.
func (j *Job) MarkAnnounced(now time.Time) error {
	if j.Notification != NotificationDeletion {
		return NewError(CodeConflict, "no deletion of job %s is to be announced", j.ID)
	}
	j.Announced = j.DeletionToAnnounce(now)
	j.Notification, j.Check = NotificationSent, j.Announced
	return nil
}
