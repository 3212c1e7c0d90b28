// Package auth is the service for accounts: it registers users, signs them in and
// out, and issues the access tokens that other services verify with its published
// keys.
package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/errgroup"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// Config is what the service needs. The fields up to Now are required.
type Config struct {
	Users          store.Users
	Sessions       store.Sessions
	Invitations    store.Invitations
	Bindings       store.Bindings
	PersonalTokens store.PersonalTokens
	Audit          store.Audit
	Format         *format.Replica
	Limits         store.Limits
	Erasures       store.Erasures
	Tasks          store.Tasks
	Signer         *token.Signer
	Log            *slog.Logger
	Now            func() time.Time

	Registration Registration
	// Admin is the name of an account that is an administrator, whatever its
	// record says; "" is none. The name is reserved: only AdminCode, sent as an
	// invitation code, creates the account. If AdminCode is "", the account
	// cannot be created.
	Admin, AdminCode string
	// TestAccount is the name of an account for tests of the installation, reserved in
	// the same way, even if registration is closed.
	TestAccount, TestAccountCode string
	// OIDC is the organisation's sign-in; its zero value is none.
	OIDC OIDC
	// NoPasswords switches passwords off, except for those of Admin and TestAccount.
	NoPasswords bool
	// OwnerToken is the secret that signs in the owner of a local server without a
	// password, with all rights of the account; "" is none. See EnsureOwner.
	OwnerToken string

	Registerer prometheus.Registerer // nil keeps the metrics unpublished

	// TrustForwarded takes the client's address from the last element of
	// X-Forwarded-For instead of the connection. Use it if only the gateway,
	// which writes that element, can reach auth.
	TrustForwarded bool
}

// Service is the auth service.
type Service struct {
	cfg       Config
	passwords passwords
	verifier  *token.Verifier
	limits    limits
	attempts  *prometheus.CounterVec
	provider  *provider // nil if there is none
	ownerID   string    // set by EnsureOwner
}

// New returns the service. Its Handler serves requests immediately; Run must be
// running too.
func New(cfg Config) (*Service, error) {
	if _, err := cfg.Signer.Secret(refreshSecret, cfg.Now()); err != nil {
		return nil, fmt.Errorf("start auth: %w", err)
	}
	return &Service{
		cfg:       cfg,
		passwords: newPasswords(),
		verifier: token.NewVerifier(func(context.Context) ([]byte, error) {
			return cfg.Signer.KeySet(), nil
		}, cfg.Now),
		limits:   newLimits(),
		provider: newProvider(cfg.OIDC, cfg.Now),
		attempts: promauto.With(cfg.Registerer).NewCounterVec(prometheus.CounterOpts{
			Name: "sx_auth_requests_total",
			Help: "Requests to auth by action and result, which is an error code or ok.",
		}, []string{"action", "result"}),
	}, nil
}

// Handler serves the auth paths of package api.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, endpoint := range map[string]struct {
		action string
		answer func(w http.ResponseWriter, r *http.Request) error
	}{
		"GET " + api.PathRegister:       {"registration", s.registration},
		"POST " + api.PathRegister:      {"register", s.register},
		"POST " + api.PathLogin:         {"login", s.login},
		"POST " + api.PathRecover:       {"recover", s.recoverAccount},
		"POST " + api.PathRefresh:       {"refresh", s.refresh},
		"POST " + api.PathLogout:        {"logout", s.logout},
		"POST " + api.PathBrowserSignIn: {"sign in browser", s.redeemBrowserCode},
		"POST " + api.PathBrowserCode:   {"create browser code", s.createBrowserCode},
		"POST " + api.PathOIDCStart:     {"start oidc", s.startOIDC},
		"POST " + api.PathOIDC:          {"sign in oidc", s.finishOIDC},
		"POST " + api.PathBindingStart:  {"start link", s.startBinding},
		"POST " + api.PathBinding:       {"link", s.bind},
		"POST " + api.PathUnbind:        {"unlink", s.removeBinding},
		"POST " + api.PathDevices:       {"create device", s.createDevice},
		"POST " + api.PathDeviceToken:   {"device tokens", s.deviceTokens},
		"GET " + api.PathDevice:         {"device", s.device},
		"POST " + api.PathDevice:        {"decide device", s.decideDevice},
		"GET " + api.PathMe:             {"me", s.me},
		"GET " + api.PathKeys:           {"keys", s.keys},

		"POST " + api.PathPassword: {"password", s.changePassword},
		"POST " + api.PathDelete:   {"delete account", s.deleteAccount},
		"GET " + api.PathTokens:    {"list tokens", s.listTokens},
		"POST " + api.PathTokens:   {"create token", s.createToken},
		"DELETE " + api.PathToken:  {"revoke token", s.revokeToken},
		"POST " + api.PathExchange: {"exchange", s.exchange},
		"POST " + api.PathActive:   {"active", s.active},

		"GET " + api.PathUsers:        {"list users", s.listUsers},
		"POST " + api.PathEnable:      {"enable", s.enable},
		"POST " + api.PathDisable:     {"disable", s.disable},
		"POST " + api.PathReset:       {"reset password", s.resetPassword},
		"DELETE " + api.PathUser:      {"delete user", s.deleteUser},
		"PATCH " + api.PathLimits:     {"set limits", s.setLimits},
		"POST " + api.PathInvitations: {"invite", s.invite},
		"GET " + api.PathAudit:        {"audit", s.listAudit},

		"GET " + api.PathUpgrade:        {"upgrade", s.upgrade},
		"POST " + api.PathFinishUpgrade: {"finish upgrade", s.finishUpgrade},
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			err := endpoint.answer(w, r)
			result := "ok"
			if err != nil {
				result = string(sx.CodeOf(err))
				s.fail(w, r, err)
			}
			s.attempts.WithLabelValues(endpoint.action, result).Inc()
		})
	}
	return httpserver.Routes(mux)
}

func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	if sx.CodeOf(err).Status() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 section 15.5.2
	}
	httpserver.WriteError(r.Context(), w, s.cfg.Log, err)
}

const cleanupInterval = 10 * time.Minute

// Run removes expired records and accounts that are being deleted. It returns nil when
// ctx ends.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { s.removeExpired(ctx); return nil })
	for _, t := range s.newErase() {
		group.Go(func() error { t.Run(ctx); return nil })
	}
	return group.Wait()
}

// removeExpired removes expired records every cleanupInterval, the first time
// immediately, until ctx ends.
func (s *Service) removeExpired(ctx context.Context) {
	retry := periodic.Retry{Log: s.cfg.Log, Doing: "removing expired records", Every: cleanupInterval}
	for {
		now := s.cfg.Now()
		s.limits.prune(now)
		err := errors.Join(
			s.cfg.Sessions.DeleteExpired(ctx, now),
			s.cfg.Invitations.DeleteExpired(ctx, now),
			s.cfg.PersonalTokens.DeleteExpired(ctx, now.Add(-expiredTokenRetention)),
			s.cfg.Audit.DeleteBefore(ctx, now.Add(-auditRetention)),
		)
		if retry.Sleep(ctx, err) != nil {
			return
		}
	}
}
