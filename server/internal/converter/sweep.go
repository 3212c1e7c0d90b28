package converter

import (
	"context"
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// sweepTracks removes tracks that are no job's result, until ctx ends: a
// converter that is killed between storing a track and recording it, or whose
// job was taken away meanwhile, leaves one behind.
func (s *Service) sweepTracks(ctx context.Context) {
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "orphaned tracks not removed, next round will try again", "error", err)
		}
		if !wait(ctx, s.Sweep) {
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
			s.dropTrack(ctx, id)
		case err != nil:
			return err
		case orphaned(id, job):
			s.dropTrack(ctx, id)
		}
	}
	return nil
}

// orphaned reports whether the track cannot become the job's result any more.
// Attempts are numbered upwards and each ends once, so this holds even if the
// job moves on at the same moment.
func orphaned(id string, job sx.Job) bool {
	if job.Track != nil && job.Track.ID == id {
		return false
	}
	_, number, _ := strings.Cut(id, "-")
	attempt, err := strconv.Atoi(number)
	if err != nil {
		return false // not one of ours
	}
	return attempt < job.Attempt || attempt == job.Attempt && job.State != sx.StateRunning
}

func (s *Service) dropTrack(ctx context.Context, id string) {
	if err := s.Tracks.Remove(context.WithoutCancel(ctx), id); err != nil {
		s.Log.WarnContext(ctx, "orphaned track not removed, the sweep will", "track", id, "error", err)
		return
	}
	s.Log.InfoContext(ctx, "orphaned track removed", "track", id)
}
