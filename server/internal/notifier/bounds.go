package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// The deliveries of a user count towards no quota, so what they need is bounded here.
const (
	maxPending = 10_000   // deliveries of a user
	maxSettled = 10_000   // likewise, of those that are kept for a list or to be sent again
	maxPayload = 16 << 10 // bytes of the event of a job
)

// bound removes the user's oldest settled deliveries beyond maxSettled, after the oldest
// pending ones beyond maxPending have failed, so that the list shows what was not sent.
func (s *Service) bound(ctx context.Context, user string) error {
	for more := true; more; {
		surplus, err := s.cfg.Deliveries.Surplus(ctx, user, maxPending)
		if err != nil {
			return err
		}
		more = false
		for _, d := range surplus {
			d.LastError = fmt.Sprintf("not sent: more than %d notifications were pending", maxPending)
			switch err := s.cfg.Deliveries.Replace(ctx, s.settle(d, sx.DeliveryFailed)); {
			case err == nil:
				more = true
			case errors.Is(err, store.ErrStale), sx.CodeOf(err) == sx.CodeNotFound: // just tried, or failed by another notifier
			default:
				return err
			}
		}
		if len(surplus) > 0 {
			s.cfg.Log.WarnContext(ctx, "notifications not sent: too many were pending", "user", user, "deliveries", len(surplus))
		}
	}
	return s.cfg.Deliveries.TrimSettled(ctx, user, maxSettled)
}

// encodeEvent returns the payload of a job's event. What makes it larger than maxPayload is
// omitted: tracks first, then sources and warnings.
func encodeEvent(event sx.Event, j sx.Job) ([]byte, error) {
	wire := api.FromJob(j, 0)
	var omitted api.Omitted
	e := api.WebhookEvent{Type: event, Timestamp: j.Updated.UTC(), Data: api.EventData{Job: &wire}}
	payload, err := json.Marshal(e)
	for _, omit := range []func(){
		func() { omitted.Tracks, wire.Tracks = len(wire.Tracks), []api.Track{} },
		func() { omitted.Sources, wire.Sources = len(wire.Sources), []api.Source{} },
		func() { omitted.Warnings, wire.Warnings = len(wire.Warnings), []api.Warning{} },
	} {
		if err != nil || len(payload) <= maxPayload {
			break
		}
		omit()
		e.Data.Omitted = &omitted
		payload, err = json.Marshal(e)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the event: %w", err)
	}
	return payload, nil
}
