package notifier

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/sx"
)

const (
	secretLength = 32 // bytes; Standard Webhooks asks for 24 to 64
	maxURL       = 2048
)

func (s *Service) addWebhook(w http.ResponseWriter, r *http.Request, user string) error {
	var in api.NewWebhook
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	if err := s.checkURL(in.URL); err != nil {
		return err
	}
	made := sx.Webhook{ID: sx.NewID(), URL: in.URL, Secret: make([]byte, secretLength), Created: s.cfg.Now()}
	_, _ = rand.Read(made.Secret) // never fails (package crypto/rand)
	_, err := s.change(r.Context(), user, func(c *sx.NotificationSettings) (bool, error) {
		if len(c.Webhooks) >= api.MaxWebhooks {
			return false, sx.NewError(sx.CodeConflict, "you have %d webhooks, which is the most", len(c.Webhooks)).
				WithHint("remove one with: sx notify webhook rm ID")
		}
		c.Webhooks = append(c.Webhooks, made)
		return true, nil
	})
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "webhook made", "webhook", made.ID)
	api.Write(w, http.StatusCreated, api.CreatedWebhook{Webhook: api.FromWebhook(made), Secret: api.WebhookSecret(made.Secret)})
	return nil
}

// checkURL refuses what can be told to be wrong from the URL alone. Names are
// not resolved here: they may lead elsewhere later, and what our network knows
// under a name is not for everyone to ask.
func (s *Service) checkURL(raw string) error {
	bad := func(why string) *sx.Error {
		return sx.NewError(sx.CodeInvalid, "the webhook's URL %s", why).WithHint("give one such as https://example.org/hook")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || len(raw) > maxURL:
		return bad("is not valid")
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("is not https")
	case u.User != nil:
		return bad("holds a name or password").WithHint("leave them out: what is posted is signed, see sx help notify")
	case u.Fragment != "":
		return bad("has a part behind #, which is never sent")
	case u.Scheme == "http" && len(s.cfg.Networks) == 0:
		return bad("is not https, and everyone on the way could read what is posted")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !allowed(s.cfg.Networks, a) && (u.Scheme == "http" || !public(a)) {
		return bad("leads to an address that webhooks may not reach").
			WithHint("whoever runs the server can allow networks with --webhook-networks")
	}
	return nil
}

// removeWebhook ends a webhook. That of someone else is answered like one that
// does not exist.
func (s *Service) removeWebhook(w http.ResponseWriter, r *http.Request, user string) error {
	id := r.PathValue("id")
	_, err := s.change(r.Context(), user, func(c *sx.NotificationSettings) (bool, error) {
		if find(*c, id) == nil {
			return false, sx.NewError(sx.CodeNotFound, "you have no webhook %s", id).
				WithHint("list your webhooks with: sx notify webhook list")
		}
		c.Webhooks = slices.DeleteFunc(c.Webhooks, func(h sx.Webhook) bool { return h.ID == id })
		return true, nil
	})
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "webhook removed", "webhook", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// disable ends a webhook whose receiver wants no more.
func (s *Service) disable(ctx context.Context, d sx.Delivery) {
	_, err := s.change(context.WithoutCancel(ctx), d.UserID, func(c *sx.NotificationSettings) (bool, error) {
		hook := find(*c, d.WebhookID)
		if hook == nil || !hook.Disabled.IsZero() {
			return false, nil
		}
		hook.Disabled = s.cfg.Now()
		return true, nil
	})
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "webhook not disabled, the next answer will", "webhook", d.WebhookID, "error", err)
		return
	}
	s.cfg.Log.InfoContext(ctx, "webhook disabled by its receiver", "webhook", d.WebhookID, "user", d.UserID)
}
