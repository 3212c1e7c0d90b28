package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Deletion is paced, so that it does not delay the requests of users: at most 20 jobs and
// 1.6 GiB a second, in all gateways together.
const (
	retentionPace  = 5 * time.Second
	retentionBatch = 100
	retentionBytes = 8 << 30 // a round ends with the job that reaches this
	// retentionRetry is the pause after an error, so that one job does not hold up others.
	retentionRetry = 10 * time.Minute
)

// newRetention deletes what is due.
func (s *Service) newRetention() *periodic.Task {
	return &periodic.Task{
		Name: "retention", Store: s.cfg.Tasks, Log: s.cfg.Log, Now: s.cfg.Now,
		Pace: retentionPace, Pass: retentionPace,
		Round: func(ctx context.Context, _ string) (string, error) { return "", s.applyRetention(ctx) },
	}
}

// applyRetention looks at the finished jobs that are due: those that have just ended, and
// those of which something is to be deleted.
func (s *Service) applyRetention(ctx context.Context) error {
	due, err := s.cfg.Jobs.Due(ctx, sx.ActionRetention, s.cfg.Now(), retentionBatch)
	if err != nil {
		return err
	}
	var deleted int64
	kept := s.newPeriods()
	for _, j := range due {
		n, err := s.retain(ctx, j, kept)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case sx.CodeOf(err) == sx.CodeUnavailable:
			return err // nothing is wrong with the job: the next round continues with it
		case err != nil:
			s.cfg.Log.WarnContext(ctx, "retention not applied; retrying later", "job", j.ID, "error", err)
			if err := s.cfg.Updater.Postpone(ctx, j, s.cfg.Now().Add(retentionRetry)); err != nil {
				return err
			}
		}
		if deleted += n; deleted >= retentionBytes {
			return nil
		}
	}
	return nil
}

// retain deletes what is due of a job, or stores when it will be. It returns how many
// bytes it has deleted.
func (s *Service) retain(ctx context.Context, j sx.Job, kept periods) (int64, error) {
	now := s.cfg.Now()
	of, err := kept.of(ctx, j.Owner)
	if err != nil {
		return 0, err
	}
	d := of.Deletion(&j, now)
	// After this time, a shorter period must not take what was announced for its own notice.
	if !j.Announced.IsZero() && (d.Job.IsZero() || d.Job.After(j.Announced)) {
		_, err := s.cfg.Updater.Update(ctx, j.ID, func(j *sx.Job) error { return j.WithdrawDeletion(now) })
		if jobs.IsStale(err) {
			return 0, nil
		}
		return 0, err
	}
	isDue := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	switch {
	case isDue(d.Job):
		return store.StoredBytes(j), s.expireJob(ctx, j)
	case isDue(d.Video):
		d.Video = time.Time{}
		return j.Sent.Size, s.deleteVideo(ctx, j, d.Next())
	case isDue(d.Announce):
		_, err := s.cfg.Updater.Update(ctx, j.ID, func(j *sx.Job) error { return j.AnnounceDeletion(d.Job, now) })
		if jobs.IsStale(err) {
			return 0, nil
		}
		return 0, err
	default:
		return 0, s.cfg.Updater.Postpone(ctx, j, d.Next())
	}
}

// deleteVideo removes the video before it records that, so that after a crash the job is
// still due. Nobody reads it: a job that is done cannot be converted again.
func (s *Service) deleteVideo(ctx context.Context, j sx.Job, next time.Time) error {
	if err := s.cfg.Videos.Remove(ctx, j.ID); err != nil {
		return err
	}
	_, err := s.cfg.Updater.Update(ctx, j.ID, func(j *sx.Job) error { return j.DeleteVideo(next) })
	if jobs.IsStale(err) {
		return nil // removed by its owner
	}
	if err == nil {
		s.metrics.deletions.WithLabelValues(deletedVideo).Inc()
		s.cfg.Log.InfoContext(ctx, "video deleted after its retention period", "job", j.ID, "size", j.Sent.Size)
	}
	return err
}

// expireJob deletes a job after its retention period. The document is deleted first,
// unless it has changed since it was read: its owner may be retrying it. Files that a
// crash leaves behind are removed by the sweeps.
func (s *Service) expireJob(ctx context.Context, j sx.Job) error {
	if err := s.recordConversion(ctx, j); err != nil {
		return err
	}
	switch err := s.cfg.Jobs.Delete(ctx, j); {
	case errors.Is(err, store.ErrStale):
		return nil // the next round looks at it again, if it is still due
	case err != nil:
		return err
	}
	s.metrics.deletions.WithLabelValues(deletedJob).Inc()
	s.cfg.Log.InfoContext(ctx, "job deleted after its retention period", "job", j.ID, "owner", j.Owner, "state", string(j.State))
	if err := s.cfg.Bus.Announce(ctx, j.ID); err != nil {
		s.cfg.Log.DebugContext(ctx, "announcing a job failed", "job", j.ID, "error", err)
	}
	if err := s.removeFiles(ctx, j); err != nil {
		s.cfg.Log.WarnContext(ctx, "files of a deleted job not removed; the sweep will do it", "job", j.ID, "error", err)
	}
	return nil
}

const (
	// reviewPage is how many jobs a round of the review looks at.
	reviewPage = 200
	reviewPass = time.Hour
)

// newReview brings deletions forward after a period was shortened: the jobs that ended
// before have another time stored, or none. A period that was extended needs no review,
// because it is looked at before each deletion, and when an announced one is due.
func (s *Service) newReview() *periodic.Task {
	return &periodic.Task{
		Name: "review retention", Store: s.cfg.Tasks, Log: s.cfg.Log, Now: s.cfg.Now,
		Pace: sweepPace, Pass: reviewPass, Round: s.review,
	}
}

func (s *Service) review(ctx context.Context, position string) (string, error) {
	filter := store.JobFilter{Limit: reviewPage}
	if position != "" {
		var err error
		if filter.After, err = store.ParseCursor(position); err != nil {
			return "", err
		}
	}
	list, next, err := s.cfg.Jobs.List(ctx, filter)
	if err != nil {
		return "", err
	}
	kept := s.newPeriods()
	for _, j := range list {
		if action, _ := j.NextAction(); action != sx.ActionNone && action != sx.ActionRetention {
			continue
		}
		of, err := kept.of(ctx, j.Owner)
		if err != nil {
			return "", err
		}
		now := s.cfg.Now()
		at := of.Deletion(&j, now).Next()
		soon := !j.Check.IsZero() && !j.Check.After(now.Add(retentionRetry)) // perhaps a pause after an error
		if at.IsZero() || soon || !j.Check.IsZero() && !at.Before(j.Check) {
			continue
		}
		if err := s.cfg.Updater.Postpone(ctx, j, at); err != nil {
			return "", err
		}
	}
	if next == nil {
		return "", nil
	}
	return next.String(), nil
}

// periods caches what decides when the jobs of owners are deleted, so that for a list of jobs
// it is read once for each owner.
type periods struct {
	s     *Service
	known map[string]period
}

type period struct {
	sx.Retention

	feeds sx.Feeds // none if MP3s are kept forever anyway
}

func (s *Service) newPeriods() periods { return periods{s, map[string]period{}} }

func (p periods) of(ctx context.Context, owner string) (period, error) {
	if r, ok := p.known[owner]; ok {
		return r, nil
	}
	l, err := p.s.limits(ctx, owner)
	if err != nil {
		return period{}, err
	}
	r := period{Retention: l.Retention()}
	if r.Tracks > 0 {
		if r.feeds, err = p.s.cfg.Feeds.Get(ctx, owner); err != nil {
			return period{}, err
		}
	}
	p.known[owner] = r
	return r, nil
}

// Deletion returns when the job and its video are deleted. A job that a feed shows is kept.
func (p period) Deletion(j *sx.Job, now time.Time) sx.Deletion {
	if p.feeds.Show(j) {
		p.Tracks = 0
	}
	return p.Retention.Deletion(j, now)
}
