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

// cookieAge is how long a browser keeps the cookie, in seconds: the most that browsers
// accept. The session ends earlier, at auth, if it is not used.
const cookieAge = 400 * 24 * 3600

// browser is what the gateway must know of a browser's request to set a cookie in its
// response. It is the zero value for other clients.
type browser struct {
	cookie string // its name
	secure bool
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
	if raw, _ := token.Bearer(r.Header); raw != "" {
		if token.IsBrowser(raw) {
			return browser{}, sx.NewError(sx.CodeUnauthenticated, "the session of a browser is not a token").
				WithHint("create a personal token")
		}
		r.Header.Del("Cookie")
		return browser{}, nil
	}
	secret, marked := s.sessionCookie(r), r.Header.Get(api.HeaderBrowser) != ""
	_, noPlain := r.Cookie(plainCookieName(r))
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
	b := browser{cookie: plainCookieName(r), secure: s.secure(r)}
	if b.secure {
		b.cookie = secureCookie
		if noPlain == nil {
			b.stale = plainCookieName(r)
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
		names = append(names, plainCookieName(r))
	}
	for _, name := range names {
		if c, err := r.Cookie(name); err == nil && token.IsBrowser(c.Value) && token.WellFormed(c.Value) {
			return c.Value
		}
	}
	return ""
}

func plainCookieName(r *http.Request) string {
	if _, port, err := net.SplitHostPort(r.Host); err == nil && port != "" {
		return plainCookie + "-" + port
	}
	return plainCookie
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

// setCookie replaces the header by which auth reports a browser session that begins or ends
// by a cookie.
func setCookie(b browser, h http.Header) {
	secrets, reported := h[http.CanonicalHeaderKey(api.HeaderBrowserSession)]
	h.Del(api.HeaderBrowserSession)
	if !reported || b.cookie == "" {
		return
	}
	c := http.Cookie{
		Name: b.cookie, Value: secrets[0], Path: "/", MaxAge: cookieAge,
		HttpOnly: true, Secure: b.secure, SameSite: http.SameSiteStrictMode,
	}
	if c.Value == "" {
		c.MaxAge = -1 // removes it
	}
	h.Add("Set-Cookie", c.String())
	if b.stale != "" {
		c.Name, c.Value, c.MaxAge, c.Secure = b.stale, "", -1, false
		h.Add("Set-Cookie", c.String())
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
		next.ServeHTTP(w, r)
	})
}
