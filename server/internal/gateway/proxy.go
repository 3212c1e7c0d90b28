package gateway

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// reverseProxy forwards requests to another service; unavailable is the error
// message while it does not respond. X-Forwarded-For becomes the client's
// address, so that auth can limit attempts by address.
func (s *Service) reverseProxy(to *url.URL, transport http.RoundTripper, unavailable string) func(http.ResponseWriter, *http.Request) error {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
			tracing.Forward(r.In, r.Out)
			r.Out.Header.Set(forwardedFor, clientAddress(r.In, s.cfg.TrustedHops))
		},
		Transport: transport,
		ModifyResponse: func(res *http.Response) error {
			res.Header.Del(api.HeaderRequestID) // the response already has one
			setCookies(browserOf(res.Request), res.Header)
			return nil
		},
		ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		body := &clientBody{ReadCloser: r.Body}
		r.Body = body
		var failed error
		forward := *proxy
		forward.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err }
		forward.ServeHTTP(w, r)
		switch malformed := body.failed.Load(); {
		case failed == nil:
			return nil
		case malformed != nil && r.Context().Err() == nil:
			return sx.NewError(sx.CodeInvalid, "invalid request body: %v", *malformed)
		default:
			return sx.NewError(sx.CodeUnavailable, "%s", unavailable).WithCause(failed)
		}
	}
}

// clientBody is the body of a forwarded request. It records why it cannot be read: that is
// not the other service's fault.
type clientBody struct {
	io.ReadCloser

	failed atomic.Pointer[error]
}

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed.Store(&err)
	}
	return n, err //nolint:wrapcheck // like the body
}

const forwardedFor = "X-Forwarded-For"

// clientAddress returns the IP address of the client behind that many trusted
// proxies, each of which appends the address that it sees to X-Forwarded-For.
// Elements before those can be forged by the client. For a request that did not
// pass all proxies, it is the address of the peer.
func clientAddress(r *http.Request, hops int) string {
	list := strings.Split(strings.Join(r.Header.Values(forwardedFor), ","), ",")
	if hops > 0 && hops <= len(list) {
		seen := strings.TrimSpace(list[len(list)-hops])
		if addr, err := netip.ParseAddr(seen); err == nil {
			return addr.String()
		}
		if addr, err := netip.ParseAddrPort(seen); err == nil { // some proxies append the port
			return addr.Addr().String()
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
