package gateway

import (
	"context"
	"maps"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// orphanAge is how old a video without a job must be before it is removed: its
// job is stored a moment after it.
const orphanAge = time.Hour

// sweep removes what no job points to. suspects carries over from one sweep to
// the next which videos had neither a job nor an age.
func (s *Service) sweep(ctx context.Context, suspects map[string]bool) {
	if err := s.sweepVideos(ctx, suspects); err != nil && ctx.Err() == nil {
		s.cfg.Log.WarnContext(ctx, "videos not swept, next round will try again", "error", err)
	}
	if err := s.sweepTracks(ctx); err != nil && ctx.Err() == nil {
		s.cfg.Log.WarnContext(ctx, "tracks not swept, next round will try again", "error", err)
	}
}

func (s *Service) sweepVideos(ctx context.Context, suspects map[string]bool) error {
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
		s.cfg.Log.InfoContext(ctx, "video without a job removed", "job", id)
		if err := s.cfg.Videos.Remove(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// unused reports whether a video can go. What has no record at all is either
// being created now or the rest of a crash; the second sweep that sees it knows.
func (s *Service) unused(ctx context.Context, id string, suspected bool, suspects map[string]bool) (bool, error) {
	j, err := s.cfg.Jobs.Get(ctx, id)
	if err == nil {
		// Cancelled or expired, then a crash before the bytes were removed.
		return j.State.Final() && j.Video.SHA256 == "", nil
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
		return s.cfg.Now().Sub(up.Used) >= orphanAge, nil
	}
}

// sweepTracks removes the tracks of removed jobs, and those of attempts that
// came to nothing. While a job is at work, its converter may be storing one.
func (s *Service) sweepTracks(ctx context.Context) error {
	ids, err := s.cfg.Tracks.List(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		j, err := s.cfg.Jobs.Get(ctx, sx.TrackJob(id))
		absent := sx.CodeOf(err) == sx.CodeNotFound
		if err != nil && !absent {
			return err
		}
		if !absent && (!j.State.Final() || j.Track != nil && j.Track.ID == id) {
			continue
		}
		s.cfg.Log.InfoContext(ctx, "track without a job removed", "track", id)
		if err := s.cfg.Tracks.Remove(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
