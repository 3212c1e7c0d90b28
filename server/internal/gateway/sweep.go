package gateway

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// orphanAge is how old a video without a job must be to be removed: the job is
// stored a moment after its video.
const orphanAge = time.Hour

const (
	// sweepPage is how many videos a round of the sweep looks at.
	sweepPage = 200
	sweepPace = 5 * time.Second
	sweepPass = 10 * time.Minute
)

// sweeper removes videos that no job refers to; converters sweep tracks.
type sweeper struct {
	*Service
	// suspects are the videos that this process found without a job and a record since it
	// began its last pass, earlier those of the pass before: at most most each. Older ones
	// are forgotten, because another process may have removed them.
	suspects, earlier map[string]bool
	most              int
}

const maxSuspects = 10_000

func (s *Service) newSweep() *periodic.Task {
	return &periodic.Task{
		Name: "sweep videos", Store: s.cfg.Tasks, Log: s.cfg.Log, Now: s.cfg.Now,
		Pace: sweepPace, Pass: sweepPass, Round: newSweeper(s, maxSuspects).round,
	}
}

func newSweeper(s *Service, most int) *sweeper {
	return &sweeper{Service: s, suspects: map[string]bool{}, most: most}
}

// newRecount corrects the totals of the owners.
func (s *Service) newRecount() *periodic.Task {
	return &periodic.Task{
		Name: "recount", Store: s.cfg.Tasks, Log: s.cfg.Log, Now: s.cfg.Now,
		Pace: sweepPace, Pass: sweepPass, Round: s.cfg.Jobs.Recount,
	}
}

func (s *sweeper) round(ctx context.Context, cursor string) (string, error) {
	if cursor == "" {
		s.suspects, s.earlier = map[string]bool{}, s.suspects
	}
	ids, next, err := s.cfg.Videos.List(ctx, cursor, sweepPage)
	if err != nil || len(ids) == 0 {
		return next, err
	}
	// Whether the video of a job is of no use. The upload was cancelled or expired, and a crash
	// prevented the removal of its bytes.
	over := map[string]bool{}
	for j, err := range store.JobsByID(ctx, s.cfg.Jobs, "", ids) {
		if err != nil {
			return "", err
		}
		over[j.ID] = j.State.Final() && !j.HasVideo()
	}
	for _, id := range ids {
		unused, hasJob := over[id]
		switch err := s.removeUnused(ctx, id, unused, hasJob); {
		case ctx.Err() != nil || sx.CodeOf(err) == sx.CodeUnavailable:
			return "", err
		case err != nil: // the others do not wait for this one
			s.cfg.Log.WarnContext(ctx, "video without a job not removed; the next sweep will retry", "job", id, "error", err)
		}
	}
	return next, nil
}

// removeUnused removes the video if its job does not use it or, if it has none, nothing else
// refers to it.
func (s *sweeper) removeUnused(ctx context.Context, id string, unused, hasJob bool) (err error) {
	if !hasJob {
		unused, err = s.orphaned(ctx, id)
	}
	if err != nil || !unused {
		return err
	}
	s.cfg.Log.InfoContext(ctx, "removing a video without a job", "job", id)
	return s.cfg.Videos.Remove(ctx, id)
}

// orphaned reports whether a video without a job can be removed. One without any record
// is either being created now or left by a crash; it is removed by the second sweep that
// finds it. So is one of which a wrong clock has recorded the time.
func (s *sweeper) orphaned(ctx context.Context, id string) (bool, error) {
	up, err := s.cfg.Videos.Stat(ctx, id)
	age := s.cfg.Now().Sub(up.Updated)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound, err == nil && age < -store.ClockSkew:
		suspected := s.suspects[id] || s.earlier[id]
		if !suspected && len(s.suspects) < s.most {
			s.suspects[id] = true
		}
		return suspected, nil
	case err != nil:
		return false, err
	default:
		return age >= orphanAge, nil
	}
}
