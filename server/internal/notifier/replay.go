package notifier

import (
	"errors"
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// maxReplaysPerDay is how often a user sends deliveries to webhooks again on a UTC day:
// twice what one list shows.
const maxReplaysPerDay = 2 * api.MaxLimit

func replaysOf(user string) string { return "replays of user " + user }

// replay sends a delivery to its webhook again, with the same ID and payload.
func (s *Service) replay(w http.ResponseWriter, r *http.Request, user string) error {
	ctx, id := r.Context(), r.PathValue("id")
	d, err := s.cfg.Deliveries.Get(ctx, id)
	if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
		return err
	}
	if err != nil || d.UserID != user {
		return sx.NewError(sx.CodeNotFound, "delivery %s not found", id)
	}
	settings, err := s.cfg.NotificationSettings.Get(ctx, user)
	if err != nil {
		return err
	}
	if err := checkReplay(d, settings); err != nil {
		return err
	}
	if err := s.countUpTo(ctx, replaysOf(user), maxReplaysPerDay); err != nil {
		return err
	}
	now := s.cfg.Now()
	d.State, d.Due, d.Updated, d.Tries, d.LastStatus, d.LastError = sx.DeliveryPending, now, now, 0, 0, ""
	err = s.cfg.Deliveries.Replace(ctx, d)
	if errors.Is(err, store.ErrStale) {
		err = errPending() // another request has just done the same
	}
	if err != nil {
		return err
	}
	s.wakeSender()
	api.Write(w, http.StatusOK, api.FromDelivery(d))
	return nil
}

func checkReplay(d sx.Delivery, settings sx.NotificationSettings) error {
	hook := findWebhook(settings, d.WebhookID)
	switch {
	case d.State == sx.DeliveryPending:
		return errPending()
	case d.Channel != sx.ChannelWebhook:
		return sx.NewError(sx.CodeConflict, "an e-mail cannot be sent again").WithHint("choose deliveries to webhooks")
	case hook == nil:
		return sx.NewError(sx.CodeConflict, "the webhook of this delivery was removed").
			WithHint("a new webhook gets only new events; list the jobs instead")
	case !hook.Disabled.IsZero():
		return sx.NewError(sx.CodeConflict, "the webhook is disabled: its receiver responded 410 Gone").
			WithHint("add the webhook again, and list the jobs for what it has missed")
	case len(d.Payload) == 0: // stored by an earlier release
		return sx.NewError(sx.CodeConflict, "the content of this delivery is no longer stored").WithHint("list the jobs instead")
	}
	return nil
}

func errPending() error {
	return sx.NewError(sx.CodeConflict, "the delivery is already pending").WithHint("wait: it is tried again by itself")
}
