package notifier

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	// tryLimit bounds one try.
	tryLimit = 20 * time.Second
	// lease is for how long a try has a delivery to itself. Whoever finds it due
	// after that takes its holder for dead and sends it once more, by the same id.
	lease = time.Minute
	// grace is what a try gets to end when the service stops.
	grace = 5 * time.Second
	// page is how many due deliveries are looked at at once.
	page = 256
	// aside is for how long a delivery is put off whose channel is busy, when
	// there are so many that others would not be looked at.
	aside = time.Minute
)

// send tries what is due until ctx ends, and waits for the tries that run then.
func (s *Service) send(ctx context.Context) {
	defer s.tries.Wait()
	tick := time.NewTicker(s.cfg.Reconcile)
	defer tick.Stop()
	for {
		if err := s.sendDue(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.WarnContext(ctx, "looking for due deliveries failed, next round will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// sendDue begins a try of each due delivery whose channel has room.
func (s *Service) sendDue(ctx context.Context) error {
	due, err := s.cfg.Deliveries.Due(ctx, s.cfg.Now(), page)
	if err != nil {
		return err
	}
	for _, d := range due {
		if s.lanes.full() {
			return nil // the end of a try will wake us
		}
		err := s.begin(ctx, d, len(due) == page)
		if errors.Is(err, store.ErrStale) || sx.CodeOf(err) == sx.CodeNotFound {
			continue // somebody else's
		}
		if err != nil {
			return err
		}
	}
	if len(due) == page {
		s.poke()
	}
	return nil
}

// begin begins a try if the delivery's channel has room. If it has none, and
// others may wait behind it unseen, the delivery is put aside.
func (s *Service) begin(ctx context.Context, d sx.Delivery, crowded bool) error {
	if !s.lanes.take(d) {
		if !crowded {
			return nil
		}
		d.Due = s.cfg.Now().Add(aside)
		return s.cfg.Deliveries.Replace(ctx, d)
	}
	d, err := s.claim(ctx, d)
	if err != nil {
		s.lanes.give(d)
		return err
	}
	s.tries.Go(func() {
		defer s.poke() // what waited for its place
		defer s.lanes.give(d)
		s.try(ctx, d)
	})
	return nil
}

// claim takes the delivery for one try.
func (s *Service) claim(ctx context.Context, d sx.Delivery) (sx.Delivery, error) {
	d.Updated = s.cfg.Now()
	d.Due = d.Updated.Add(lease)
	d.Tries++
	err := s.cfg.Deliveries.Replace(ctx, d)
	d.Rev++
	return d, err
}

// result is how a try ended.
type result struct {
	problem string        // for the user; "" when the receiver took it
	status  int           // of the receiver's answer; 0 is none
	final   bool          // another try would end the same way
	gone    bool          // the receiver wants no more at all
	wait    time.Duration // how long the receiver asks to wait
	stopped bool          // by our own end, before there was an answer
}

// failed is a result that ends the delivery.
func failed(problem string) result { return result{problem: problem, final: true} }

// try sends the delivery once and records how that ended.
func (s *Service) try(ctx context.Context, d sx.Delivery) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	defer stop()
	contact, err := s.cfg.NotificationSettings.Get(sending, d.UserID)
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "delivery not tried, will be tried again", "delivery", d.ID, "error", err)
		return // when its lease is over
	}
	var r result
	if d.Channel == sx.ChannelEmail {
		r = s.sendMail(sending, contact, d)
	} else {
		r = s.sendPost(sending, contact, d)
	}
	if r.problem != "" && ctx.Err() != nil && sending.Err() != nil {
		r = result{problem: "interrupted by the server's end", stopped: true}
	}
	if r.gone {
		s.disable(ctx, d)
	}
	s.record(ctx, d, r)
}
