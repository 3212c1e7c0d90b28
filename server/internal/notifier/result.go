package notifier

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// result is the result of an attempt.
type result struct {
	problem     string        // for the user; "" if the receiver accepted the delivery
	status      int           // HTTP or SMTP status of the response; 0 if there was none
	final       bool          // a retry would have the same result
	gone        bool          // the receiver accepts no more deliveries at all
	retryAfter  time.Duration // the delay that the receiver asked for
	interrupted bool          // by our shutdown, before there was a response
}

// failed returns a result that is not retried.
func failed(problem string) result { return result{problem: problem, final: true} }

// retryDelays are the delays after the first, second, … attempt. After the last
// one, which is after three days, the delivery has failed. Those for webhooks are
// recommended by Standard Webhooks; a mail server that responds with a
// temporary error usually accepts an early second attempt (RFC 5321 section
// 4.5.4.1).
var retryDelays = map[sx.Channel][]time.Duration{
	sx.ChannelWebhook: {
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	},
	sx.ChannelEmail: {
		time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 4 * time.Hour,
		8 * time.Hour, 12 * time.Hour, 24 * time.Hour, 24 * time.Hour,
	},
}

// maxRetryAfter bounds the delay that a receiver can ask for.
const maxRetryAfter = 24 * time.Hour

// nextAttempt returns when to retry; the zero time means never.
func nextAttempt(d sx.Delivery, r result, now time.Time) time.Time {
	if r.interrupted {
		return now
	}
	delays := retryDelays[d.Channel]
	if r.final || d.Tries > len(delays) {
		return time.Time{}
	}
	delay := max(delays[d.Tries-1], min(r.retryAfter, maxRetryAfter))
	// Jitter keeps deliveries that failed together from being retried together.
	return now.Add(delay + rand.N(delay/5))
}

// applyResult returns the delivery as it is after the attempt.
func (s *Service) applyResult(d sx.Delivery, r result) sx.Delivery {
	d.Updated = s.cfg.Now()
	d.LastStatus, d.LastError = r.status, r.problem
	if r.interrupted {
		d.Tries-- // does not count
	}
	next := nextAttempt(d, r, d.Updated)
	switch {
	case r.problem == "":
		return s.settle(d, sx.DeliveryDelivered)
	case next.IsZero():
		return s.settle(d, sx.DeliveryFailed)
	default:
		d.Due = next
		return d
	}
}

// settle returns the delivery in its last state, which only a replay changes.
func (s *Service) settle(d sx.Delivery, state sx.DeliveryState) sx.Delivery {
	d.State, d.Updated = state, s.cfg.Now()
	if d.Channel != sx.ChannelWebhook { // cannot be replayed, and may contain a confirmation code
		d.Payload = nil
	}
	return d
}

// record stores the result. It retries until the lease expires, because a delivery
// whose success is not recorded is sent again.
func (s *Service) record(ctx context.Context, d sx.Delivery, r result) {
	defer s.observe(ctx, d, r)
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(shutdownGrace, cancel) })
	defer stop()
	pause := backoff.Backoff{First: time.Second, Max: lease / 6}
	for {
		err := s.cfg.Deliveries.Replace(storing, s.applyResult(d, r))
		switch {
		case err == nil, sx.CodeOf(err) == sx.CodeNotFound:
			return
		case errors.Is(err, store.ErrStale):
			// The lease expired and another notifier claimed the delivery. Only a
			// success matters then.
			if r.problem != "" {
				return
			}
			var current sx.Delivery
			if current, err = s.cfg.Deliveries.Get(storing, d.ID); err == nil {
				if current.State != sx.DeliveryPending {
					return
				}
				d = current
				continue
			}
		}
		s.cfg.Log.WarnContext(ctx, "result of a delivery not stored; retrying", "delivery", d.ID, "error", err)
		if backoff.Sleep(storing, pause.Next()) != nil {
			return
		}
	}
}

// observe logs and counts the result.
func (s *Service) observe(ctx context.Context, d sx.Delivery, r result) {
	attrs := []any{"delivery", d.ID, "user", d.UserID, "channel", string(d.Channel), "event", string(d.Event), "attempt", d.Tries}
	if d.JobID != "" {
		attrs = append(attrs, "job", d.JobID)
	}
	outcome := outcomeDelivered
	switch {
	case r.problem == "":
		s.cfg.Log.InfoContext(ctx, "delivered", attrs...)
	case nextAttempt(d, r, s.cfg.Now()).IsZero():
		outcome = outcomeFailed
		s.cfg.Log.WarnContext(ctx, "delivery failed", append(attrs, "status", r.status, "error", r.problem)...)
	default:
		outcome = outcomeRetried
		s.cfg.Log.InfoContext(ctx, "delivery attempt failed; will be retried", append(attrs, "status", r.status, "error", r.problem)...)
	}
	s.metrics.attempts.WithLabelValues(string(d.Channel), outcome).Inc()
}
