package gateway

import (
	"context"

	tusd "github.com/tus/tusd/v2/pkg/handler"

	"github.com/soundextract/sx/server/sx"
)

// create makes the room for a video and then its job, so that a crash in
// between leaves room without a job, which the sweep gives back, and never a
// job without room.
func (s *Service) create(ctx context.Context, info tusd.FileInfo) (sx.Job, error) {
	name, options, err := readMetadata(info.MetaData)
	if err != nil {
		return sx.Job{}, err
	}
	if info.Size == 0 {
		return sx.Job{}, sx.NewError(sx.CodeNotMedia, "%s is empty", name)
	}
	j := sx.NewJob(owner(ctx), sx.Video{Name: name, Size: info.Size}, options, s.cfg.Now())
	if err := s.cfg.Videos.Create(ctx, j.ID, name, info.Size); err != nil {
		return sx.Job{}, err
	}
	if err := s.cfg.Jobs.Create(ctx, j); err != nil {
		return sx.Job{}, s.undo(ctx, j, err)
	}
	j.Rev = 1
	if err := s.admit(ctx, j); err != nil {
		if err := s.cfg.Jobs.Delete(ctx, j); err != nil {
			return sx.Job{}, err // the job has its room still, and expires
		}
		return sx.Job{}, s.undo(ctx, j, err)
	}
	s.cfg.Updater.Created(ctx, j)
	s.cfg.Log.InfoContext(ctx, "upload created", "job", j.ID, "owner", j.Owner, "size", j.Video.Size)
	return j, nil
}

// undo gives a video's room back because of cause, which it returns.
func (s *Service) undo(ctx context.Context, j sx.Job, cause error) error {
	if err := s.cfg.Videos.Remove(ctx, j.ID); err != nil {
		s.cfg.Log.WarnContext(ctx, "room of a refused upload not given back, the sweep will", "job", j.ID, "error", err)
	}
	return cause
}

// admit lets a stored job begin its upload, with the first turn. The quota is
// asked for only now, so that of two uploads at once neither can miss the other.
func (s *Service) admit(ctx context.Context, j sx.Job) error {
	if err := s.checkQuota(ctx, j); err != nil {
		return err
	}
	p := pieceOf(ctx)
	release, err := s.locks.Preempt(ctx, j.ID, p.stop)
	p.release = release
	return err
}

func (s *Service) checkQuota(ctx context.Context, j sx.Job) error {
	if s.cfg.Quota == 0 {
		return nil
	}
	usage, err := s.cfg.Jobs.Usage(ctx, j.Owner)
	if err != nil {
		return err
	}
	if usage > s.cfg.Quota {
		return sx.NewError(sx.CodeQuotaExceeded, "%s of %s are in use, and %s needs %s more",
			sx.FormatSize(usage-j.Video.Size), sx.FormatSize(s.cfg.Quota), j.Video.Name, sx.FormatSize(j.Video.Size))
	}
	return nil
}
