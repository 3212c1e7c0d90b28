package gateway

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// passOn passes requests on to another service; away is what is said while it
// does not answer. X-Forwarded-For becomes the address of the client, so that
// auth can limit attempts by address.
func (s *Service) passOn(to *url.URL, way http.RoundTripper, away string) func(http.ResponseWriter, *http.Request) error {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
			r.Out.Header.Set(forwardedFor, clientAddress(r.In, s.cfg.TrustedHops))
		},
		Transport: way,
		ModifyResponse: func(res *http.Response) error {
			res.Header.Del(api.HeaderRequestID) // the answer has it already
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			s.fail(w, r, sx.NewError(sx.CodeUnavailable, "%s", away).WithCause(err))
		},
		ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		proxy.ServeHTTP(w, r)
		return nil
	}
}

const forwardedFor = "X-Forwarded-For"

// clientAddress is the IP address of the client behind so many proxies, each of
// which appends to X-Forwarded-For the address that it sees. What stands before
// that was written by strangers. A request that did not pass all the proxies
// counts as one of whoever sent it here.
func clientAddress(r *http.Request, hops int) string {
	list := strings.Split(strings.Join(r.Header.Values(forwardedFor), ","), ",")
	if hops > 0 && hops <= len(list) {
		seen := strings.TrimSpace(list[len(list)-hops])
		if addr, err := netip.ParseAddr(seen); err == nil {
			return addr.String()
		}
		if addr, err := netip.ParseAddrPort(seen); err == nil { // some proxies write the port too
			return addr.Addr().String()
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
