package gateway

import (
	"context"
	"maps"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// orphanAge is how old a video without a job must be to be removed: the job is
// stored a moment after its video.
const orphanAge = time.Hour

// sweepVideos is sweep with its error logged.
func (s *Service) sweepVideos(ctx context.Context, suspects map[string]bool) {
	if err := s.sweep(ctx, suspects); err != nil && ctx.Err() == nil {
		s.cfg.Log.WarnContext(ctx, "sweeping videos failed; the next round will retry", "error", err)
	}
}

// sweep removes videos that no job refers to; converters sweep tracks. suspects
// holds the videos that had neither a job nor a record in the previous sweep.
func (s *Service) sweep(ctx context.Context, suspects map[string]bool) error {
	ids, err := s.cfg.Videos.List(ctx)
	if err != nil {
		return err
	}
	before := maps.Clone(suspects)
	clear(suspects)
	for _, id := range ids {
		unused, err := s.unused(ctx, id, before[id], suspects)
		if err != nil {
			return err
		}
		if !unused {
			continue
		}
		s.cfg.Log.InfoContext(ctx, "removing a video without a job", "job", id)
		if err := s.cfg.Videos.Remove(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// unused reports whether a video can be removed. One without any record is either
// being created now or left by a crash; it is removed by the second sweep that
// finds it.
func (s *Service) unused(ctx context.Context, id string, suspected bool, suspects map[string]bool) (bool, error) {
	j, err := s.cfg.Jobs.Get(ctx, id)
	if err == nil {
		// The upload was cancelled or expired, and a crash prevented the
		// removal of its bytes.
		return j.State.Final() && j.Sent.SHA256 == "", nil
	}
	if sx.CodeOf(err) != sx.CodeNotFound {
		return false, err
	}
	up, err := s.cfg.Videos.Stat(ctx, id)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		suspects[id] = true
		return suspected, nil
	case err != nil:
		return false, err
	default:
		return s.cfg.Now().Sub(up.Updated) >= orphanAge, nil
	}
}
