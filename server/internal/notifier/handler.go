package notifier

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Handler serves the notification paths of package api.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(w http.ResponseWriter, r *http.Request, user string) error{
		"GET " + api.PathNotify:     s.show,
		"PUT " + api.PathEmail:      s.setEmail,
		"DELETE " + api.PathEmail:   s.removeEmail,
		"POST " + api.PathConfirm:   s.confirmEmail,
		"POST " + api.PathWebhooks:  s.addWebhook,
		"DELETE " + api.PathWebhook: s.removeWebhook,
		"POST " + api.PathTest:      s.test,
		"GET " + api.PathDeliveries: s.listDeliveries,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			user, err := s.caller(r)
			if err == nil {
				err = answer(w, r, user)
			}
			if err == nil {
				return
			}
			if sx.CodeOf(err) == sx.CodeUnauthenticated {
				w.Header().Set("WWW-Authenticate", "Bearer") // RFC 6750 section 3
			}
			httpserver.WriteError(r.Context(), w, s.cfg.Log, err)
		})
	}
	return httpserver.Routes(mux)
}

func (s *Service) show(w http.ResponseWriter, r *http.Request, user string) error {
	c, err := s.cfg.NotificationSettings.Get(r.Context(), user)
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, s.wire(c))
	return nil
}

// wire is a contact as its user sees it.
func (s *Service) wire(c sx.NotificationSettings) api.Notify {
	out := api.Notify{SendsEmail: s.mail != nil, Email: c.Email, Webhooks: make([]api.Webhook, len(c.Webhooks))}
	if c.Pending != nil && s.cfg.Now().Before(c.Pending.Expires) {
		out.PendingEmail = c.Pending.Address
	}
	for i, hook := range c.Webhooks {
		out.Webhooks[i] = api.FromWebhook(hook)
	}
	return out
}

// change changes the user's settings by compare-and-set; fn may be called
// several times. An error of fn is returned. If keep is true, what fn changed is
// stored nevertheless.
func (s *Service) change(ctx context.Context, user string, fn func(*sx.NotificationSettings) (keep bool, err error)) (sx.NotificationSettings, error) {
	var failure error
	stored := s.cfg.NotificationSettings
	c, err := store.Update(ctx, user, stored.Get, stored.Replace, func(c *sx.NotificationSettings) error {
		c.Webhooks = slices.Clone(c.Webhooks)
		var keep bool
		if keep, failure = fn(c); !keep {
			return store.ErrUnchanged
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrUnchanged) {
		return c, err
	}
	return c, failure
}

// find gives the webhook of the id, nil if there is none.
func find(c sx.NotificationSettings, id string) *sx.Webhook {
	i := slices.IndexFunc(c.Webhooks, func(h sx.Webhook) bool { return h.ID == id })
	if i < 0 {
		return nil
	}
	return &c.Webhooks[i]
}
