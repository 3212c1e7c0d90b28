package httpserver

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// OnlyThisMachine serves requests that come from programs on this machine without a proxy
// in between, and responds with 404 to all others. It is for readiness and metrics.
func OnlyThisMachine(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromThisMachine(r) {
			api.WriteError(w, sx.NewError(sx.CodeNotFound, "path %s not found", r.URL.Path).
				WithHint("see the API description at %s", api.PathOpenAPI))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// fromThisMachine reports whether the client has a loopback address, or the one at which
// it connected to the server. A request from a proxy on this machine counts as its
// client's.
func fromThisMachine(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	if client.Addr().Unmap().IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	own, err := netip.ParseAddrPort(local.String())
	return err == nil && own.Addr().Unmap() == client.Addr().Unmap()
}
