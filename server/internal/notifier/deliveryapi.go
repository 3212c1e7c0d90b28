package notifier

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// sendTest sends a test message to each of the user's channels.
func (s *Service) sendTest(w http.ResponseWriter, r *http.Request, user string) error {
	ctx := r.Context()
	settings, err := s.cfg.NotificationSettings.Get(ctx, user)
	if err != nil {
		return err
	}
	list := s.newDeliveries(settings)
	if len(list) == 0 {
		return sx.NewError(sx.CodeInvalid, "no notifications are set up").
			WithHint("set an e-mail address or add a webhook first")
	}
	if err := s.countRequest(ctx, testsOf(user)); err != nil {
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
	s.wakeSender()
	writeDeliveries(w, list, nil)
	return nil
}

func (s *Service) listDeliveries(w http.ResponseWriter, r *http.Request, user string) error {
	q, limit := r.URL.Query(), api.DefaultLimit
	if v := q.Get(api.QueryLimit); v != "" {
		var err error
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > api.MaxLimit {
			return sx.NewError(sx.CodeInvalid, "invalid limit %q", v).WithHint("set limit to a number from 1 to %d", api.MaxLimit)
		}
	}
	var after *store.Cursor
	if v := q.Get(api.QueryAfter); v != "" {
		var err error
		if after, err = store.ParseCursor(v); err != nil {
			return err
		}
	}
	leave, err := s.large.Enter(r.Context(), user)
	if err != nil {
		return err
	}
	defer leave()
	list, next, err := s.cfg.Deliveries.List(r.Context(), user, after, limit)
	if err != nil {
		return err
	}
	writeDeliveries(w, list, next)
	return nil
}

func writeDeliveries(w http.ResponseWriter, list []sx.Delivery, next *store.Cursor) {
	out := api.DeliveryList{Deliveries: make([]api.Delivery, len(list))}
	if next != nil {
		out.Next = next.String()
	}
	for i, d := range list {
		out.Deliveries[i] = api.FromDelivery(d)
	}
	api.Write(w, http.StatusOK, out)
}
