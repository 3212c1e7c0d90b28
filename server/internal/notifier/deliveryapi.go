package notifier

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// test sends a message to each of the user's channels.
func (s *Service) test(w http.ResponseWriter, r *http.Request, user string) error {
	ctx := r.Context()
	c, err := s.cfg.NotificationSettings.Get(ctx, user)
	if err != nil {
		return err
	}
	list := s.channels(c)
	if len(list) == 0 {
		return sx.NewError(sx.CodeInvalid, "there is nothing to send a test to").
			WithHint("set it up with: sx notify email ADDRESS, or: sx notify webhook add URL")
	}
	if err := s.limit(ctx, user, sx.EventTest); err != nil {
		return err
	}
	payload, err := json.Marshal(api.WebhookEvent{Type: sx.EventTest, Timestamp: s.cfg.Now().UTC()})
	if err != nil {
		return fmt.Errorf("encode the event: %w", err)
	}
	for i := range list {
		d := &list[i]
		d.ID, d.Event, d.Payload = sx.NewID(), sx.EventTest, payload
		if err := s.cfg.Deliveries.Create(ctx, *d); err != nil {
			return err
		}
	}
	s.poke()
	writeList(w, list)
	return nil
}

func (s *Service) listDeliveries(w http.ResponseWriter, r *http.Request, user string) error {
	limit := api.DefaultLimit
	if v := r.URL.Query().Get(api.QueryLimit); v != "" {
		var err error
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > api.MaxLimit {
			return sx.NewError(sx.CodeInvalid, "%q cannot be the limit", v).WithHint("give a number from 1 to %d", api.MaxLimit)
		}
	}
	list, err := s.cfg.Deliveries.List(r.Context(), user, limit)
	if err != nil {
		return err
	}
	writeList(w, list)
	return nil
}

func writeList(w http.ResponseWriter, list []sx.Delivery) {
	out := api.DeliveryList{Deliveries: make([]api.Delivery, len(list))}
	for i, d := range list {
		out.Deliveries[i] = api.FromDelivery(d)
	}
	api.Write(w, http.StatusOK, out)
}
