package notifier

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// The pauses after the first, second … try. A delivery that fails once more is
// given up, after three days. For webhooks they are those that the
// specification of Standard Webhooks recommends; a mail server that says "later"
// mostly wants to see the second try soon (RFC 5321 section 4.5.4.1).
var pauses = map[sx.Channel][]time.Duration{
	sx.ChannelWebhook: {
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	},
	sx.ChannelEmail: {
		time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 4 * time.Hour,
		8 * time.Hour, 12 * time.Hour, 24 * time.Hour, 24 * time.Hour,
	},
}

// maxWait is how long a receiver can put off the next try.
const maxWait = 24 * time.Hour

// next is when to try again after so many tries; zero is never.
func next(d sx.Delivery, r result, now time.Time) time.Time {
	if r.stopped {
		return now
	}
	list := pauses[d.Channel]
	if r.final || d.Tries > len(list) {
		return time.Time{}
	}
	pause := max(list[d.Tries-1], min(r.wait, maxWait))
	// What failed together shall not come back together.
	return now.Add(pause + rand.N(pause/5))
}

// settle brings the result into the delivery.
func (s *Service) settle(d sx.Delivery, r result) sx.Delivery {
	d.Updated = s.cfg.Now()
	d.LastStatus, d.LastError = r.status, r.problem
	if r.stopped {
		d.Tries-- // it was none
	}
	again := next(d, r, d.Updated)
	switch {
	case r.problem == "":
		d.State = sx.DeliveryDelivered
	case again.IsZero():
		d.State = sx.DeliveryFailed
	default:
		d.Due = again
		return d
	}
	d.Payload = nil // nobody sends it any more, and there may be a code in it
	return d
}

// record stores the result. That something was delivered is not given up easily:
// it would be sent once more.
func (s *Service) record(ctx context.Context, d sx.Delivery, r result) {
	defer s.observe(ctx, d, r)
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	defer stop()
	for {
		err := s.cfg.Deliveries.Replace(storing, s.settle(d, r))
		switch {
		case err == nil, sx.CodeOf(err) == sx.CodeNotFound:
			return
		case errors.Is(err, store.ErrStale):
			// The lease ran out and somebody else sends it too.
			if r.problem != "" {
				return
			}
			var now sx.Delivery
			if now, err = s.cfg.Deliveries.Get(storing, d.ID); err == nil {
				if now.State != sx.DeliveryPending {
					return
				}
				d = now
				continue
			}
		}
		s.cfg.Log.WarnContext(ctx, "result of a delivery not stored, trying again", "delivery", d.ID, "error", err)
		select {
		case <-storing.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (s *Service) observe(ctx context.Context, d sx.Delivery, r result) {
	attrs := []any{"delivery", d.ID, "user", d.UserID, "channel", string(d.Channel), "event", string(d.Event), "try", d.Tries}
	outcome := outcomeDelivered
	switch {
	case r.problem == "":
		s.cfg.Log.InfoContext(ctx, "delivered", attrs...)
	case next(d, r, s.cfg.Now()).IsZero():
		outcome = outcomeFailed
		s.cfg.Log.WarnContext(ctx, "delivery given up", append(attrs, "status", r.status, "error", r.problem)...)
	default:
		outcome = outcomeRetried
		s.cfg.Log.InfoContext(ctx, "not delivered, will be tried again", append(attrs, "status", r.status, "error", r.problem)...)
	}
	s.metrics.deliveries.WithLabelValues(string(d.Channel), outcome).Inc()
}
