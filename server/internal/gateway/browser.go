package gateway

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// The name of the cookie. Browsers accept the first one only over TLS, and from no other
// host. The port is part of the second one, because cookies are not separate for each port
// and a person may have several local servers.
const (
	secureCookie = "__Host-sx-session"
	plainCookie  = "sx-session"
)

// The names of the cookie that binds a sign-in at the organisation's provider to this
// browser. It is needed only by requests of our page, and not when the provider sends the
// browser back, so that it is SameSite=Strict as well.
const (
	secureTransaction = "__Host-sx-transaction"
	plainTransaction  = "sx-transaction"
)

// cookieAge is how long a browser keeps the cookie, in seconds: the most that browsers
// accept. The session ends earlier, at auth, if it is not used.
const cookieAge = 400 * 24 * 3600

// browser is what the gateway must know of a browser's request to set a cookie in its
// response. It is the zero value for other clients.
type browser struct {
	cookie      string // its name
	transaction string // that of the cookie of a sign-in at the provider
	secure      bool
	// stale is the name of a cookie from before the server had TLS, which would sign in its
	// user again.
	stale string
}

type browserKey struct{}

func browserOf(r *http.Request) browser {
	b, _ := r.Context().Value(browserKey{}).(browser)
	return b
}

// fromBrowser makes the browser session in the request's cookie, if any, the request's bearer
// token. Requests that another site may have caused are refused.
func (s *Service) fromBrowser(r *http.Request) (browser, error) {
	r.Header.Del(api.HeaderTransaction) // only the cookie counts
	if raw, _ := token.Bearer(r.Header); raw != "" {
		if token.IsBrowser(raw) {
			return browser{}, sx.NewError(sx.CodeUnauthenticated, "the session of a browser is not a token").
				WithHint("create a personal token")
		}
		r.Header.Del("Cookie")
		return browser{}, nil
	}
	secret, marked := s.sessionCookie(r), r.Header.Get(api.HeaderBrowser) != ""
	_, noPlain := r.Cookie(plainName(plainCookie, r))
	transaction := s.transactionCookie(r)
	r.Header.Del("Cookie") // no service reads other cookies
	if secret == "" && !marked {
		return browser{}, nil
	}
	if err := checkOrigin(r); err != nil {
		return browser{}, err
	}
	if !marked && !slices.Contains(safeMethods, r.Method) {
		return browser{}, sx.NewError(sx.CodeForbidden, "the header %s is missing", api.HeaderBrowser).
			WithHint("send it with each request that a cookie authenticates")
	}
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	if transaction != "" {
		r.Header.Set(api.HeaderTransaction, transaction)
	}
	b := browser{cookie: plainName(plainCookie, r), transaction: plainName(plainTransaction, r), secure: s.secure(r)}
	if b.secure {
		b.cookie, b.transaction = secureCookie, secureTransaction
		if noPlain == nil {
			b.stale = plainName(plainCookie, r)
		}
	}
	return b, nil
}

var safeMethods = []string{http.MethodGet, http.MethodHead, http.MethodOptions}

// sessionCookie returns the secret in the request's cookie; "" if it has none that can be
// valid.
func (s *Service) sessionCookie(r *http.Request) string {
	names := []string{secureCookie}
	if !s.secure(r) {
		names = append(names, plainName(plainCookie, r))
	}
	for _, name := range names {
		if c, err := r.Cookie(name); err == nil && token.IsBrowser(c.Value) && token.WellFormed(c.Value) {
			return c.Value
		}
	}
	return ""
}

// transactionCookie returns the value of the cookie of a sign-in at the provider; "" if
// there is none.
func (s *Service) transactionCookie(r *http.Request) string {
	name := secureTransaction
	if !s.secure(r) {
		name = plainName(plainTransaction, r)
	}
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// plainName returns the name of a cookie without TLS.
func plainName(cookie string, r *http.Request) string {
	if _, port, err := net.SplitHostPort(r.Host); err == nil && port != "" {
		return cookie + "-" + port
	}
	return cookie
}

// secure reports whether the browser has sent the request over TLS. The page's origin says
// so behind a proxy, too; a client that forges it only fails to use its own cookie.
func (s *Service) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://") ||
		s.cfg.TrustedHops > 0 && r.Header.Get("X-Forwarded-Proto") == "https"
}

var crossOrigin = http.NewCrossOriginProtection()

// checkOrigin refuses requests that were not sent by our page. Fetch metadata is checked for
// all methods: pages on other ports of this host are of the same site, so that SameSite
// does not apply to them.
func checkOrigin(r *http.Request) error {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		if crossOrigin.Check(r) == nil {
			return nil
		}
	}
	return sx.NewError(sx.CodeForbidden, "the request comes from another site").
		WithHint("use the page of this server; a proxy in front of it must pass on the header Host")
}

// setCookies replaces the headers by which auth reports a browser session, or a sign-in at
// the provider, that begins or ends by cookies.
func setCookies(b browser, h http.Header) {
	if setCookie(h, api.HeaderBrowserSession, b.cookie, cookieAge, b.secure) && b.stale != "" {
		h.Add("Set-Cookie", newCookie(b.stale, "", 0, false).String())
	}
	setCookie(h, api.HeaderTransaction, b.transaction, int(api.TransactionLife.Seconds()), b.secure)
}

// setCookie replaces a header by a cookie with the name, and reports whether it has. A
// client that is no browser has no name.
func setCookie(h http.Header, header, name string, age int, secure bool) bool {
	values, reported := h[http.CanonicalHeaderKey(header)]
	h.Del(header)
	if !reported || name == "" {
		return false
	}
	h.Add("Set-Cookie", newCookie(name, values[0], age, secure).String())
	return true
}

// newCookie returns a cookie that lives for age seconds; without a value, it removes it.
func newCookie(name, value string, age int, secure bool) *http.Cookie {
	if value == "" {
		age = -1
	}
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
	}
}

// protect sets headers that keep browsers from using a response in the context of another
// page, or as anything but what it is declared as.
func protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin")
		limitRanges(r.Header)
		next.ServeHTTP(w, r)
	})
}
