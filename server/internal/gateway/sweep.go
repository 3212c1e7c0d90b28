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

// sweep removes videos that no job points to; converters look after tracks.
// suspects carries over from one sweep to the next which videos had neither a
// job nor an age.
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
		return s.cfg.Now().Sub(up.Updated) >= orphanAge, nil
	}
}
