// Package notifier is the service that tells owners how their jobs ended.
package notifier

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/sx"
)

// Config is what the service needs.
type Config struct {
	Ledger *jobs.Ledger
	Bus    bus.Bus
	// Tell carries the notice to the owner. A job whose Tell fails is told
	// again later; a crash between Tell and its record tells twice.
	Tell func(ctx context.Context, j sx.Job) error
	Log  *slog.Logger
	// Reconcile is the pause between two looks for notices whose doorbell got lost.
	Reconcile time.Duration
}

// Service tells owners.
type Service struct{ cfg Config }

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Run works until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	reconciler := &jobs.Reconciler{
		Ledger: s.cfg.Ledger, Queue: bus.Notify, Every: s.cfg.Reconcile,
		Due: func(j sx.Job, _ time.Time) bool { return j.Notice == sx.NoticePending },
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return reconciler.Run(ctx) })
	group.Go(func() error { return s.receive(ctx) })
	return group.Wait()
}

func (s *Service) receive(ctx context.Context) error {
	for {
		d, err := s.cfg.Bus.Receive(ctx, bus.Notify)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		s.handle(ctx, d)
	}
}

func (s *Service) handle(ctx context.Context, d bus.Delivery) {
	id := d.Message().JobID
	err := s.tell(ctx, id)
	if err == nil {
		err = d.Ack(ctx)
	} else {
		s.cfg.Log.WarnContext(ctx, "notice not sent, will be tried again", "job", id, "error", err)
		err = d.Nack(ctx)
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.WarnContext(ctx, "doorbell not returned", "job", id, "error", err)
	}
}

func (s *Service) tell(ctx context.Context, id string) error {
	j, err := s.cfg.Ledger.Jobs.Get(ctx, id)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		return nil // removed by its owner, who needs no notice
	case err != nil:
		return err
	case j.Notice != sx.NoticePending:
		return nil // an old doorbell
	}
	if err := s.cfg.Tell(ctx, j); err != nil {
		return err
	}
	_, err = s.cfg.Ledger.Change(ctx, id, func(j *sx.Job) error { return j.Told(s.cfg.Ledger.Now()) })
	var known *sx.Error
	if errors.As(err, &known) && (known.Code == sx.CodeConflict || known.Code == sx.CodeNotFound) {
		return nil // tried again or removed by its owner in the meantime
	}
	return err
}

// LogNotices is the Tell of the local mode: one line a job in the log.
func LogNotices(log *slog.Logger) func(ctx context.Context, j sx.Job) error {
	return func(ctx context.Context, j sx.Job) error {
		attrs := []any{"job", j.ID, "owner", j.Owner, "state", string(j.State)}
		if j.Error != nil {
			attrs = append(attrs, "code", string(j.Error.Code), "reason", j.Error.Message)
		}
		log.InfoContext(ctx, "job ended", attrs...)
		return nil
	}
}
