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
	for pattern, handle := range map[string]func(w http.ResponseWriter, r *http.Request, user string) error{
		"GET " + api.PathNotify:     s.getSettings,
		"PUT " + api.PathEmail:      s.setEmail,
		"DELETE " + api.PathEmail:   s.removeEmail,
		"POST " + api.PathConfirm:   s.confirmEmail,
		"POST " + api.PathWebhooks:  s.addWebhook,
		"DELETE " + api.PathWebhook: s.removeWebhook,
		"POST " + api.PathTest:      s.sendTest,
		"GET " + api.PathDeliveries: s.listDeliveries,
		"POST " + api.PathReplay:    s.replay,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			user, err := s.authenticate(r)
			if err == nil {
				err = handle(w, r, user)
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

func (s *Service) getSettings(w http.ResponseWriter, r *http.Request, user string) error {
	settings, err := s.cfg.NotificationSettings.Get(r.Context(), user)
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, s.toWire(settings))
	return nil
}

// toWire returns the API form of the settings.
func (s *Service) toWire(settings sx.NotificationSettings) api.Notify {
	out := api.Notify{SendsEmail: s.mail != nil, Email: settings.Email, Webhooks: make([]api.Webhook, len(settings.Webhooks))}
	if p := settings.Pending; p != nil && s.cfg.Now().Before(p.Expires) {
		out.PendingEmail = p.Address
	}
	for i, hook := range settings.Webhooks {
		out.Webhooks[i] = api.FromWebhook(hook)
	}
	return out
}

// update changes the user's settings by compare-and-set, as store.Update describes.
func (s *Service) update(ctx context.Context, user string, change func(*sx.NotificationSettings) error) (sx.NotificationSettings, error) {
	repo := s.cfg.NotificationSettings
	settings, err := store.Update(ctx, user, repo.Get, repo.Replace, func(settings *sx.NotificationSettings) error {
		settings.Webhooks = slices.Clone(settings.Webhooks)
		return change(settings)
	})
	if errors.Is(err, store.ErrUnchanged) {
		err = nil
	}
	return settings, err
}

// findWebhook returns the webhook with the ID, or nil.
func findWebhook(settings sx.NotificationSettings, id string) *sx.Webhook {
	i := slices.IndexFunc(settings.Webhooks, func(h sx.Webhook) bool { return h.ID == id })
	if i < 0 {
		return nil
	}
	return &settings.Webhooks[i]
}
