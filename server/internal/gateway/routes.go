package gateway

import (
	"context"
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// Route is a method and path that the gateway serves; the path is a pattern of
// net/http.ServeMux.
type Route struct {
	Method  string
	Pattern string
}

// authentication says which service checks the token of a request.
type authentication int

const (
	anyone     authentication = iota // no token is needed
	byGateway                        // the gateway verifies the token
	byUpstream                       // the service that the request is forwarded to verifies it
	byLink                           // the path has the secret of a link or feed; cookies and tokens are ignored
)

// endpoint is a route with its handler.
type endpoint struct {
	Route
	authentication
	serve func(w http.ResponseWriter, r *http.Request) error
}

func (s *Service) routes() []endpoint {
	auth := s.reverseProxy(s.cfg.AuthURL, s.cfg.AuthTransport, "sign-in is currently unavailable")
	notifier := s.reverseProxy(s.cfg.NotifierURL, s.cfg.NotifierTransport, "notifications are currently unavailable")
	return []endpoint{
		{Route{http.MethodGet, api.PathRegister}, anyone, auth},
		{Route{http.MethodPost, api.PathRegister}, anyone, auth},
		{Route{http.MethodPost, api.PathLogin}, anyone, auth},
		{Route{http.MethodPost, api.PathRecover}, anyone, auth},
		{Route{http.MethodPost, api.PathRefresh}, anyone, auth},
		{Route{http.MethodPost, api.PathLogout}, anyone, auth},
		{Route{http.MethodPost, api.PathBrowserSignIn}, anyone, auth},
		{Route{http.MethodPost, api.PathBrowserCode}, byUpstream, auth},
		{Route{http.MethodPost, api.PathDevices}, anyone, auth},
		{Route{http.MethodPost, api.PathDeviceToken}, anyone, auth},
		{Route{http.MethodGet, api.PathDevice}, byUpstream, auth},
		{Route{http.MethodPost, api.PathDevice}, byUpstream, auth},
		{Route{http.MethodPost, api.PathOIDCStart}, anyone, auth},
		{Route{http.MethodPost, api.PathOIDC}, anyone, auth},
		{Route{http.MethodPost, api.PathBindingStart}, byUpstream, auth},
		{Route{http.MethodPost, api.PathBinding}, byUpstream, auth},
		{Route{http.MethodPost, api.PathUnbind}, byUpstream, auth},
		{Route{http.MethodGet, api.PathMe}, byUpstream, auth},
		{Route{http.MethodGet, api.PathKeys}, anyone, auth},
		{Route{http.MethodPost, api.PathPassword}, byUpstream, auth},
		{Route{http.MethodPost, api.PathDelete}, byUpstream, auth},
		{Route{http.MethodGet, api.PathTokens}, byUpstream, auth},
		{Route{http.MethodPost, api.PathTokens}, byUpstream, auth},
		{Route{http.MethodDelete, api.PathToken}, byUpstream, auth},
		{Route{http.MethodGet, api.PathUsers}, byUpstream, auth},
		{Route{http.MethodPost, api.PathEnable}, byUpstream, auth},
		{Route{http.MethodPost, api.PathDisable}, byUpstream, auth},
		{Route{http.MethodPost, api.PathReset}, byUpstream, auth},
		{Route{http.MethodDelete, api.PathUser}, byUpstream, auth},
		{Route{http.MethodPatch, api.PathLimits}, byUpstream, auth},
		{Route{http.MethodPost, api.PathInvitations}, byUpstream, auth},
		{Route{http.MethodGet, api.PathAudit}, byUpstream, auth},
		{Route{http.MethodGet, api.PathUpgrade}, byUpstream, auth},
		{Route{http.MethodPost, api.PathFinishUpgrade}, byUpstream, auth},

		{Route{http.MethodGet, api.PathNotify}, byUpstream, notifier},
		{Route{http.MethodPut, api.PathEmail}, byUpstream, notifier},
		{Route{http.MethodDelete, api.PathEmail}, byUpstream, notifier},
		{Route{http.MethodPost, api.PathConfirm}, byUpstream, notifier},
		{Route{http.MethodPost, api.PathWebhooks}, byUpstream, notifier},
		{Route{http.MethodDelete, api.PathWebhook}, byUpstream, notifier},
		{Route{http.MethodPost, api.PathTest}, byUpstream, notifier},
		{Route{http.MethodGet, api.PathDeliveries}, byUpstream, notifier},
		{Route{http.MethodPost, api.PathReplay}, byUpstream, notifier},

		{Route{http.MethodOptions, api.PathUploads + "{$}"}, byGateway, s.uploads.Describe},
		{Route{http.MethodPost, api.PathUploads + "{$}"}, byGateway, s.createUpload},
		{Route{http.MethodHead, api.PathUploads + "{id}"}, byGateway, s.uploads.Head},
		{Route{http.MethodPatch, api.PathUploads + "{id}"}, byGateway, s.appendUpload},
		{Route{http.MethodDelete, api.PathUploads + "{id}"}, byGateway, s.uploads.Delete},

		{Route{http.MethodGet, api.PathJobs}, byGateway, s.listJobs},
		{Route{http.MethodPost, api.PathJobs}, byGateway, s.createJob},
		{Route{http.MethodGet, api.PathJob}, byGateway, s.getJob},
		{Route{http.MethodPatch, api.PathJob}, byGateway, s.editJob},
		{Route{http.MethodDelete, api.PathJob}, byGateway, s.deleteJob},
		{Route{http.MethodPost, api.PathCancel}, byGateway, s.cancelJob},
		{Route{http.MethodPost, api.PathRetry}, byGateway, s.retryJob},
		{Route{http.MethodGet, api.PathTrack}, byGateway, s.getTrack},
		{Route{http.MethodGet, api.PathArchive}, byGateway, s.getArchive},
		{Route{http.MethodPost, api.PathShares}, byGateway, s.createShare},
		{Route{http.MethodDelete, api.PathShare}, byGateway, s.revokeShare},
		{Route{http.MethodGet, api.PathSharePage}, byLink, s.sharePage},
		{Route{http.MethodGet, api.PathSharedArchive}, byLink, s.sharedArchive},
		{Route{http.MethodGet, api.PathSharedTrack}, byLink, s.sharedTrack},
		{Route{http.MethodGet, api.PathFeeds}, byGateway, s.listFeeds},
		{Route{http.MethodPost, api.PathFeeds}, byGateway, s.createFeed},
		{Route{http.MethodDelete, api.PathFeed}, byGateway, s.revokeFeed},
		{Route{http.MethodGet, api.PathFeedXML}, byLink, s.serveFeed},
		{Route{http.MethodGet, api.PathFeedArtwork}, byLink, s.feedArtwork},
		{Route{http.MethodGet, api.PathFeedTrack}, byLink, s.feedTrack},
		{Route{http.MethodGet, api.PathFeedChapters}, byLink, s.serveChapters},
		{Route{http.MethodGet, api.PathFeedCover}, byLink, s.feedCover},
		{Route{http.MethodGet, api.PathEvents}, byGateway, s.streamEvents},

		{Route{http.MethodPost, api.PathLookup}, byGateway, s.lookup},
		{Route{http.MethodGet, api.PathUsage}, byGateway, s.getUsage},

		{Route{http.MethodGet, api.PathAdminJobs}, byGateway, s.listAllJobs},
		{Route{http.MethodGet, api.PathAdminJob}, byGateway, s.getAnyJob},
		{Route{http.MethodGet, api.PathAdminUsage}, byGateway, s.listUsage},
		{Route{http.MethodGet, api.PathAdminQueue}, byGateway, s.getQueue},

		{Route{http.MethodGet, api.PathOpenAPI}, anyone, s.serveOpenAPI},
	}
}

// Routes lists what the gateway serves. A GET route serves HEAD too.
func (s *Service) Routes() []Route {
	routes := make([]Route, len(s.endpoints))
	for i, e := range s.endpoints {
		routes[i] = e.Route
	}
	return routes
}

type claimsKey struct{}

// owner returns the id of the caller.
func owner(ctx context.Context) string {
	claims, _ := ctx.Value(claimsKey{}).(token.Claims)
	return claims.UserID
}

// handle authenticates the request, calls the endpoint and sends its error, if
// any.
func (s *Service) handle(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.authentication == byLink {
			r.Header.Del("Cookie")
			r.Header.Del("Authorization")
		}
		b, err := s.fromBrowser(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		ctx := context.WithValue(r.Context(), browserKey{}, b)
		// Made-up tokens are refused here, whichever service verifies the real ones.
		raw, _ := token.Bearer(r.Header)
		if e.authentication == byGateway || e.authentication == byUpstream && (token.IsPersonal(raw) || token.IsBrowser(raw)) {
			claims, err := s.authenticate(r)
			if err != nil {
				s.fail(w, r, err)
				return
			}
			httpserver.SetUser(ctx, claims.UserID)
			ctx = context.WithValue(ctx, claimsKey{}, claims)
		}
		if err := e.serve(w, r.WithContext(ctx)); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Service) authenticate(r *http.Request) (token.Claims, error) {
	raw, err := token.Bearer(r.Header)
	if err != nil {
		return token.Claims{}, err
	}
	if token.IsExchanged(raw) {
		if !token.WellFormed(raw) { // auth is not asked
			return token.Claims{}, sx.NewError(sx.CodeUnauthenticated, "the personal token is incomplete or has been changed").
				WithHint("copy all of it, or create another one")
		}
		return s.personalTokens.verify(r.Context(), raw, s.clientKey(r))
	}
	return s.cfg.Verify(r.Context(), raw)
}

// fail sends the error. The cause of an internal one is only logged.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.logFailure(r.Context(), err)
	if sx.CodeOf(err) == sx.CodeUnauthenticated {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 6750 section 3
	}
	httpserver.SendError(r.Context(), w, err)
}

// logFailure logs the errors that are not the client's.
func (s *Service) logFailure(ctx context.Context, err error) {
	e := sx.AsError(err)
	switch {
	case ctx.Err() != nil: // the client has disconnected
		s.cfg.Log.DebugContext(ctx, "request cancelled", "error", httpserver.Cause(err), "cause", context.Cause(ctx))
	case e.Code == sx.CodeInternal:
		s.cfg.Log.ErrorContext(ctx, "request failed", "error", httpserver.Cause(err))
	case e.Code.Status() >= http.StatusInternalServerError:
		s.cfg.Log.WarnContext(ctx, "request refused", "code", string(e.Code), "error", httpserver.Cause(err))
	}
}
