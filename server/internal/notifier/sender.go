package notifier

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

const (
	// attemptTimeout bounds one attempt.
	attemptTimeout = 20 * time.Second
	// lease is how long an attempt holds its delivery. When the lease has
	// expired, the delivery is due again and is sent again, with the same ID.
	lease = time.Minute
	// shutdownGrace is how long a running attempt may continue on shutdown.
	shutdownGrace = 5 * time.Second
	// batchSize is how many due deliveries are read at a time at most.
	batchSize = maxAttempts
)

// send starts attempts of due deliveries until ctx ends, and then waits for those
// that are running.
func (s *Service) send(ctx context.Context) {
	defer s.attempts.Wait()
	retry := periodic.Retry{Log: s.cfg.Log, Doing: "sending deliveries", Every: s.cfg.ReconcileInterval}
	for {
		timer := time.NewTimer(retry.Pause(ctx, s.sendDue(ctx)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-s.wake:
			timer.Stop()
		}
	}
}

// sendDue starts an attempt of each due delivery that the limits allow. It asks only for
// those, so a receiver that hangs or is slow delays its own deliveries alone, however many
// they are. The end of an attempt wakes send, so that the next ones follow.
func (s *Service) sendDue(ctx context.Context) error {
	for more := true; more && !s.limits.full(); {
		var due []sx.Delivery
		var err error
		if due, more, err = s.cfg.Deliveries.Due(ctx, s.cfg.Now(), s.limits.busy(), batchSize); err != nil {
			return err
		}
		for _, d := range due {
			err := s.start(ctx, d)
			if errors.Is(err, store.ErrStale) || sx.CodeOf(err) == sx.CodeNotFound {
				continue // claimed by another notifier
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// start starts an attempt if the limits allow it.
func (s *Service) start(ctx context.Context, d sx.Delivery) error {
	if !s.limits.acquire(d) {
		return nil
	}
	d, err := s.claim(ctx, d)
	if err != nil {
		s.limits.release(d)
		return err
	}
	s.attempts.Go(func() {
		defer s.wakeSender() // for deliveries that a limit delayed
		defer s.limits.release(d)
		s.attempt(ctx, d)
	})
	return nil
}

// claim leases the delivery for one attempt.
func (s *Service) claim(ctx context.Context, d sx.Delivery) (sx.Delivery, error) {
	d.Updated = s.cfg.Now()
	d.Due = d.Updated.Add(lease)
	d.Tries++
	err := s.cfg.Deliveries.Replace(ctx, d)
	d.Rev++
	return d, err
}

// attempt sends the delivery once and records the result.
func (s *Service) attempt(ctx context.Context, d sx.Delivery) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(shutdownGrace, cancel) })
	defer stop()
	sending, span := tracing.Start(tracing.From(sending, d.Trace), "deliver "+string(d.Channel),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(tracing.Job(d.JobID)))
	defer span.End()
	settings, err := s.cfg.NotificationSettings.Get(sending, d.UserID)
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "notification settings not read; retrying when the lease expires", "delivery", d.ID, "error", err)
		return
	}
	var r result
	if d.Channel == sx.ChannelEmail {
		r = s.sendMail(sending, settings, d)
	} else {
		r = s.sendWebhook(sending, settings, d)
	}
	if r.problem != "" && ctx.Err() != nil && sending.Err() != nil {
		r = result{problem: "interrupted by a shutdown", interrupted: true}
	}
	if r.gone {
		s.disableWebhook(ctx, d)
	}
	s.record(ctx, d, r)
}
