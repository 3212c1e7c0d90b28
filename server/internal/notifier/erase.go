package notifier

import (
	"context"

	"github.com/soundextract/sx/server/internal/erasure"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/sx"
)

// newErase deletes the settings, deliveries and counters of accounts that are being deleted.
func (s *Service) newErase() *periodic.Task {
	return erasure.Step{
		Step: sx.EraseNotifications, Erasures: s.cfg.Erasures, Tasks: s.cfg.Tasks, Log: s.cfg.Log, Now: s.cfg.Now, Erase: s.erase,
	}.Task()
}

// erase deletes the settings first, so that no delivery is created from them afterwards.
func (s *Service) erase(ctx context.Context, e sx.Erasure) (done bool, err error) {
	if err := s.cfg.NotificationSettings.Delete(ctx, e.UserID); err != nil {
		return false, err
	}
	if err := s.cfg.Deliveries.DeleteOf(ctx, e.UserID); err != nil {
		return false, err
	}
	if e.Last { // before, a token may still be valid, and the limits still apply
		err = s.eraseCounters(ctx, e.UserID)
	}
	return err == nil, err
}
