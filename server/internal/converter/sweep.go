package converter

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	// sweepPage is how many tracks a round of the sweep looks at.
	sweepPage = 200
	sweepPace = 5 * time.Second
)

// newSweep removes orphaned tracks. A converter leaves one behind when it is killed
// between storing a track and recording it, or loses the lease in between.
func (s *Service) newSweep() *periodic.Task {
	return &periodic.Task{
		Name: "sweep tracks", Store: s.Tasks, Log: s.Log, Now: s.Now,
		Pace: min(sweepPace, s.SweepInterval), Pass: s.SweepInterval, Round: s.sweep,
	}
}

func (s *Service) sweep(ctx context.Context, cursor string) (string, error) {
	ids, next, err := s.Tracks.List(ctx, cursor, sweepPage)
	if err != nil || len(ids) == 0 {
		return next, err
	}
	tracks := map[string][]string{} // by job
	for _, id := range ids {
		job := sx.TrackJob(id)
		tracks[job] = append(tracks[job], id)
	}
	for job, err := range store.JobsByID(ctx, s.Updater.Jobs, "", slices.Collect(maps.Keys(tracks))) {
		if err != nil {
			return "", err
		}
		for _, id := range tracks[job.ID] {
			if orphaned(id, job, s.Now()) {
				s.removeTrack(ctx, id)
			}
		}
		delete(tracks, job.ID)
	}
	for _, ids := range tracks { // without a job
		for _, id := range ids {
			s.removeTrack(ctx, id)
		}
	}
	return next, nil
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

func (s *Service) removeTracks(ctx context.Context, tracks []sx.Track) {
	for _, t := range tracks {
		s.removeTrack(ctx, t.ID)
	}
}

func (s *Service) removeTrack(ctx context.Context, id string) {
	if err := s.Tracks.Remove(context.WithoutCancel(ctx), id); err != nil {
		s.Log.WarnContext(ctx, "orphaned track not removed; the next sweep will retry", "track", id, "error", err)
		return
	}
	s.Log.InfoContext(ctx, "orphaned track removed", "track", id)
}
