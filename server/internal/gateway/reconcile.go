package gateway

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/sx"
)

const (
	// reconcileEvery is the pause between two looks at the unfinished uploads.
	reconcileEvery = 5 * time.Second
	// sweepEvery is the pause between two searches for what no job points to.
	sweepEvery = 10 * time.Minute
)

// reconcile looks after uploads until ctx ends, the first time at once.
func (s *Service) reconcile(ctx context.Context) {
	round, sweep := time.NewTicker(reconcileEvery), time.NewTicker(sweepEvery)
	defer round.Stop()
	defer sweep.Stop()
	suspects := map[string]bool{}
	sweepOnce := func() {
		if err := s.sweep(ctx, suspects); err != nil && ctx.Err() == nil {
			s.cfg.Log.WarnContext(ctx, "videos not swept, next round will try again", "error", err)
		}
	}
	s.settle(ctx)
	sweepOnce()
	for {
		select {
		case <-ctx.Done():
			return
		case <-round.C:
			s.settle(ctx)
		case <-sweep.C:
			sweepOnce()
		}
	}
}

// settle finishes the uploads that are complete, expires those that nobody
// goes on with, and stops the requests whose upload was ended elsewhere.
func (s *Service) settle(ctx context.Context) {
	for _, id := range s.locks.active() {
		s.stopIfOver(ctx, id)
	}
	list, err := s.cfg.Jobs.Unsettled(ctx)
	if err != nil {
		s.logRound(ctx, "", err)
		return
	}
	for _, j := range list {
		if j.State != sx.StateUploading || s.locks.held(j.ID) {
			continue // its own request looks after it
		}
		if err := s.settleUpload(ctx, j); err != nil {
			s.logRound(ctx, j.ID, err)
		}
	}
}

func (s *Service) settleUpload(ctx context.Context, j sx.Job) error {
	up, err := s.cfg.Videos.Stat(ctx, j.ID)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		return s.expire(ctx, j.ID) // its bytes are gone
	case err != nil:
		return err
	case up.Offset == j.Video.Size:
		return s.finish(ctx, j.ID)
	case s.cfg.Now().Sub(up.Updated) >= s.cfg.UploadLife:
		return s.expire(ctx, j.ID)
	default:
		return nil
	}
}

// stopOver stops the requests whose upload is over; ids are looked at one by one.
func (s *Service) stopOver(ctx context.Context, ids <-chan string) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-ids:
			s.stopIfOver(ctx, id)
		}
	}
}

func (s *Service) stopIfOver(ctx context.Context, id string) {
	j, err := s.cfg.Jobs.Get(ctx, id)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		s.locks.stop(id, sx.NewError(sx.CodeUploadExpired, "the upload was removed"))
	case err == nil && j.State != sx.StateUploading:
		s.locks.stop(id, uploadOver(j))
	}
}

func (s *Service) logRound(ctx context.Context, job string, err error) {
	if ctx.Err() == nil {
		s.cfg.Log.WarnContext(ctx, "uploads not reconciled, next round will try again", "job", job, "error", err)
	}
}
