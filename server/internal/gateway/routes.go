package gateway

import (
	"context"
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// Route is one method and path that the gateway answers; the path is a pattern
// of net/http.ServeMux.
type Route struct {
	Method  string
	Pattern string
}

// endpoint is a route with what answers it. A public one needs no token.
type endpoint struct {
	Route
	public bool
	serve  func(w http.ResponseWriter, r *http.Request) error
}

func (s *Service) table() []endpoint {
	auth := s.passOn(s.cfg.AuthURL, s.cfg.AuthTransport, "signing in is not possible at the moment")
	notifier := s.passOn(s.cfg.NotifierURL, s.cfg.NotifierTransport, "notifications cannot be looked at or changed at the moment")
	return []endpoint{
		{Route{http.MethodPost, api.PathRegister}, true, auth},
		{Route{http.MethodPost, api.PathLogin}, true, auth},
		{Route{http.MethodPost, api.PathRefresh}, true, auth},
		{Route{http.MethodPost, api.PathLogout}, true, auth},
		{Route{http.MethodGet, api.PathMe}, true, auth}, // auth checks the token itself, here and below
		{Route{http.MethodGet, api.PathKeys}, true, auth},
		{Route{http.MethodPost, api.PathPassword}, true, auth},
		{Route{http.MethodGet, api.PathTokens}, true, auth},
		{Route{http.MethodPost, api.PathTokens}, true, auth},
		{Route{http.MethodDelete, api.PathToken}, true, auth},
		{Route{http.MethodGet, api.PathUsers}, true, auth},
		{Route{http.MethodPost, api.PathEnable}, true, auth},
		{Route{http.MethodPost, api.PathDisable}, true, auth},
		{Route{http.MethodPost, api.PathInvitations}, true, auth},

		{Route{http.MethodGet, api.PathNotify}, true, notifier}, // which asks auth
		{Route{http.MethodPut, api.PathEmail}, true, notifier},
		{Route{http.MethodDelete, api.PathEmail}, true, notifier},
		{Route{http.MethodPost, api.PathConfirm}, true, notifier},
		{Route{http.MethodPost, api.PathWebhooks}, true, notifier},
		{Route{http.MethodDelete, api.PathWebhook}, true, notifier},
		{Route{http.MethodPost, api.PathTest}, true, notifier},
		{Route{http.MethodGet, api.PathDeliveries}, true, notifier},

		{Route{http.MethodOptions, api.PathUploads + "{$}"}, false, s.describeUploads},
		{Route{http.MethodPost, api.PathUploads + "{$}"}, false, s.createUpload},
		{Route{http.MethodHead, api.PathUploads + "{id}"}, false, s.useUpload},
		{Route{http.MethodPatch, api.PathUploads + "{id}"}, false, s.useUpload},
		{Route{http.MethodDelete, api.PathUploads + "{id}"}, false, s.useUpload},

		{Route{http.MethodGet, api.PathJobs}, false, s.listJobs},
		{Route{http.MethodGet, api.PathJob}, false, s.getJob},
		{Route{http.MethodDelete, api.PathJob}, false, s.deleteJob},
		{Route{http.MethodPost, api.PathCancel}, false, s.cancelJob},
		{Route{http.MethodPost, api.PathRetry}, false, s.retryJob},
		{Route{http.MethodGet, api.PathTrack}, false, s.getTrack},
		{Route{http.MethodGet, api.PathEvents}, false, s.streamEvents},

		{Route{http.MethodGet, api.PathOpenAPI}, true, s.serveOpenAPI},
	}
}

// Routes lists what the gateway answers. A GET route answers HEAD as well.
func (s *Service) Routes() []Route {
	routes := make([]Route, len(s.endpoints))
	for i, e := range s.endpoints {
		routes[i] = e.Route
	}
	return routes
}

type claimsKey struct{}

// owner is the id of the user who sent the request with this context.
func owner(ctx context.Context) string {
	claims, _ := ctx.Value(claimsKey{}).(token.Claims)
	return claims.UserID
}

// handle checks who asks and sends an endpoint's error.
func (s *Service) handle(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.public {
			claims, err := s.identify(r)
			if err != nil {
				s.fail(w, r, err)
				return
			}
			httpserver.SetUser(r.Context(), claims.UserID)
			r = r.WithContext(context.WithValue(r.Context(), claimsKey{}, claims))
		}
		if err := e.serve(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Service) identify(r *http.Request) (token.Claims, error) {
	raw, err := token.Bearer(r.Header)
	if err != nil {
		return token.Claims{}, err
	}
	if token.IsPersonal(raw) {
		return s.personals.verify(r.Context(), raw)
	}
	return s.cfg.Verify(r.Context(), raw)
}

// fail answers with the error. Only the log sees the cause of an internal one.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.logFailure(r.Context(), err)
	if sx.CodeOf(err) == sx.CodeUnauthenticated {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 6750 section 3
	}
	api.WriteError(w, err)
}

// logFailure writes down the errors that are the server's own.
func (s *Service) logFailure(ctx context.Context, err error) {
	e := sx.AsError(err)
	switch {
	case ctx.Err() != nil: // the client has gone
		s.cfg.Log.DebugContext(ctx, "request given up", "error", httpserver.Cause(err), "cause", context.Cause(ctx))
	case e.Code == sx.CodeInternal:
		s.cfg.Log.ErrorContext(ctx, "request failed", "error", httpserver.Cause(err))
	case e.Code == sx.CodeUnavailable, e.Code == sx.CodeStorageFull:
		s.cfg.Log.WarnContext(ctx, "request refused", "code", string(e.Code), "error", httpserver.Cause(err))
	}
}
