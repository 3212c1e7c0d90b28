package gateway

import (
	"log/slog"
	"net/http"
	"net/http/httputil"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// authProxy passes requests on to the auth service. The address of the client
// is appended to X-Forwarded-For, so that auth can limit attempts by address.
func (s *Service) authProxy() func(http.ResponseWriter, *http.Request) error {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(s.cfg.AuthURL)
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		},
		Transport: s.cfg.AuthTransport,
		ModifyResponse: func(res *http.Response) error {
			res.Header.Del(api.HeaderRequestID) // the answer has it already
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			s.fail(w, r, sx.NewError(sx.CodeUnavailable, "signing in is not possible at the moment").WithCause(err))
		},
		ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		proxy.ServeHTTP(w, r)
		return nil
	}
}
