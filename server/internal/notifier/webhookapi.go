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
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	secretLength = 32   // bytes; Standard Webhooks requires 24 to 64
	maxURLLength = 2048 // bytes
)

func (s *Service) addWebhook(w http.ResponseWriter, r *http.Request, user string) error {
	var in api.NewWebhook
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	if err := s.checkURL(in.URL); err != nil {
		return err
	}
	hook := sx.Webhook{ID: sx.NewID(), URL: in.URL, Secret: make([]byte, secretLength), Created: s.cfg.Now()}
	_, _ = rand.Read(hook.Secret) // never returns an error
	_, err := s.update(r.Context(), user, func(settings *sx.NotificationSettings) error {
		if len(settings.Webhooks) >= api.MaxWebhooks {
			return sx.NewError(sx.CodeConflict, "you have %d webhooks, the maximum", len(settings.Webhooks)).
				WithHint("remove a webhook first")
		}
		settings.Webhooks = append(settings.Webhooks, hook)
		return nil
	})
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "webhook created", "webhook", hook.ID)
	api.Write(w, http.StatusCreated, api.CreatedWebhook{Webhook: api.FromWebhook(hook), Secret: api.WebhookSecret(hook.Secret)})
	return nil
}

// checkURL validates the URL itself. It does not resolve names: they
// may resolve to other addresses later (see webhookSender), and the result
// would let users explore the operator's network.
func (s *Service) checkURL(raw string) error {
	invalid := func(reason string) *sx.Error {
		return sx.NewError(sx.CodeInvalid, "invalid webhook URL: %s", reason).WithHint("use a URL such as https://example.org/hook")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return invalid("not an absolute URL")
	case len(raw) > maxURLLength:
		return invalid("too long")
	case u.Scheme != "https" && u.Scheme != "http":
		return invalid("the scheme is not https")
	case u.User != nil:
		return invalid("it contains a user name or password").WithHint("remove them: requests to webhooks are signed")
	case u.Fragment != "":
		return invalid("it contains a fragment, which is never sent")
	case u.Scheme == "http" && len(s.cfg.Networks) == 0:
		return invalid("the scheme is not https, so requests would not be encrypted")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !isAllowed(s.cfg.Networks, a) && (u.Scheme == "http" || !isPublic(a)) {
		return invalid("webhooks must not reach this address").
			WithHint("ask the operator of the server to allow the network with --webhook-networks")
	}
	return nil
}

// removeWebhook removes a webhook of the user. Another user's webhook is
// reported as not found.
func (s *Service) removeWebhook(w http.ResponseWriter, r *http.Request, user string) error {
	id := r.PathValue("id")
	_, err := s.update(r.Context(), user, func(settings *sx.NotificationSettings) error {
		if findWebhook(*settings, id) == nil {
			return sx.NewError(sx.CodeNotFound, "webhook %s not found", id).
				WithHint("list your webhooks to find the ID")
		}
		settings.Webhooks = slices.DeleteFunc(settings.Webhooks, func(h sx.Webhook) bool { return h.ID == id })
		return nil
	})
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "webhook removed", "webhook", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// disableWebhook disables a webhook whose receiver returned 410 Gone.
func (s *Service) disableWebhook(ctx context.Context, d sx.Delivery) {
	changed := false
	_, err := s.update(context.WithoutCancel(ctx), d.UserID, func(settings *sx.NotificationSettings) error {
		hook := findWebhook(*settings, d.WebhookID)
		if changed = hook != nil && hook.Disabled.IsZero(); !changed {
			return store.ErrUnchanged
		}
		hook.Disabled = s.cfg.Now()
		return nil
	})
	switch {
	case err != nil:
		s.cfg.Log.WarnContext(ctx, "webhook not disabled; retrying at its next 410", "webhook", d.WebhookID, "error", err)
	case changed:
		s.cfg.Log.InfoContext(ctx, "webhook disabled by its receiver", "webhook", d.WebhookID, "user", d.UserID)
	}
}
