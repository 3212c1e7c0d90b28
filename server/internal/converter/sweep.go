package converter

import (
	"context"
	"slices"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// sweepTracks removes orphaned tracks until ctx ends. A converter leaves one behind
// when it is killed between storing a track and recording it, or loses the lease
// in between.
func (s *Service) sweepTracks(ctx context.Context) {
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "orphaned tracks not removed; retrying in the next round", "error", err)
		}
		if backoff.Sleep(ctx, s.SweepInterval) != nil {
			return
		}
	}
}

func (s *Service) sweep(ctx context.Context) error {
	ids, err := s.Tracks.List(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		job, err := s.Updater.Jobs.Get(ctx, sx.TrackJob(id))
		switch {
		case sx.CodeOf(err) == sx.CodeNotFound:
			s.removeTrack(ctx, id)
		case err != nil:
			return err
		case orphaned(id, job, s.Now()):
			s.removeTrack(ctx, id)
		}
	}
	return nil
}

// editTime is longer than the gateway takes to store an edited track and to record it.
const editTime = time.Hour

// orphaned reports whether the track can no longer become the job's result.
// Attempt numbers only grow and each attempt ends once, so this stays true even if
// the job changes concurrently.
func orphaned(id string, job sx.Job, now time.Time) bool {
	if slices.ContainsFunc(job.Tracks, func(t sx.Track) bool { return t.ID == id }) {
		return false
	}
	attempt, edited, ok := sx.TrackOrigin(id)
	if !ok {
		return false // stored neither by an attempt nor by an edit
	}
	if !edited.IsZero() {
		return now.Sub(edited) > editTime
	}
	return attempt < job.Attempt || attempt == job.Attempt && job.State != sx.StateRunning
}

func (s *Service) removeTrack(ctx context.Context, id string) {
	if err := s.Tracks.Remove(context.WithoutCancel(ctx), id); err != nil {
		s.Log.WarnContext(ctx, "orphaned track not removed; the next sweep will retry", "track", id, "error", err)
		return
	}
	s.Log.InfoContext(ctx, "orphaned track removed", "track", id)
}
