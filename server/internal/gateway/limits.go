package gateway

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// limits returns the limits that apply to the owner's jobs.
func (s *Service) limits(ctx context.Context, owner string) (sx.Limits, error) {
	l, err := s.cfg.Limits.Get(ctx, owner)
	return l.Or(s.serverLimits()), err
}

func (s *Service) serverLimits() sx.Limits { return sx.NewLimits(s.cfg.Quota, s.cfg.Retention) }

// publishLimits stores the limits of accounts without their own, for the services that
// have no settings for them. It retries until ctx ends.
func (s *Service) publishLimits(ctx context.Context) {
	retry := periodic.Retry{Log: s.cfg.Log, Doing: "storing the limits", Every: 5 * time.Second}
	for {
		_, err := store.Update(ctx, sx.ServerLimits, s.cfg.Limits.Get, s.cfg.Limits.Replace, func(l *sx.Limits) error {
			now := s.serverLimits()
			now.Owner, now.Rev = l.Owner, l.Rev
			if reflect.DeepEqual(*l, now) {
				return store.ErrUnchanged
			}
			*l = now
			return nil
		})
		if err == nil || errors.Is(err, store.ErrUnchanged) {
			return
		}
		if retry.Sleep(ctx, err) != nil {
			return
		}
	}
}

// checkQuota returns an error if what the owner uses exceeds the quota. It is called
// once the job is counted, so that two jobs created concurrently count each other.
func (s *Service) checkQuota(ctx context.Context, j sx.Job) error {
	limits, err := s.limits(ctx, j.Owner)
	q := limits.Quota()
	if err != nil || q == (sx.Quota{}) {
		return err
	}
	now := s.cfg.Now()
	used, err := s.cfg.Jobs.Usage(ctx, j.Owner, now)
	switch {
	case err != nil:
		return err
	case q.Bytes > 0 && used.Bytes > q.Bytes:
		return sx.NewError(sx.CodeQuotaExceeded, "%s of %s is in use, and %s needs %s more",
			sx.FormatSize(used.Bytes-j.Sent.Size), sx.FormatSize(q.Bytes), j.Sent.Name, sx.FormatSize(j.Sent.Size))
	case q.Uploads > 0 && used.Uploads > q.Uploads:
		return sx.NewError(sx.CodeQuotaExceeded, "the account has %d unfinished uploads, which is the maximum", q.Uploads).
			WithHint("finish or cancel some of them")
	case q.JobsPerDay > 0 && used.Today > q.JobsPerDay:
		e := sx.NewError(sx.CodeDailyLimit, "the account has created %d jobs today, which is the maximum", q.JobsPerDay)
		const day = 24 * time.Hour
		e.RetryAfter = now.Truncate(day).Add(day).Sub(now)
		return e
	}
	return nil
}
