package open

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// connect makes a server that only sx can reach available to a browser on this machine,
// until ctx ends. opened is called with the address.
func connect(ctx context.Context, transport http.RoundTripper, server string, opened func(base string) error) error {
	target, err := url.Parse(server)
	if err != nil {
		return fmt.Errorf("parse the server's URL: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the browser: %w", err)
	}
	proxy := &http.Server{
		Handler: onlyHost(listener.Addr().String(), &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Host = r.In.Host // the server compares it with the page's origin
			},
			Transport:     transport,
			FlushInterval: -1, // events are sent as they come
			ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn),
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	stop := context.AfterFunc(ctx, func() { _ = proxy.Close() })
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- proxy.Serve(listener) }()
	if err := opened("http://" + listener.Addr().String()); err != nil {
		_ = proxy.Close()
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the browser: %w", err)
	}
	return ctx.Err()
}

// onlyHost refuses requests for another host. A page of another site whose name resolves to
// 127.0.0.1 (DNS rebinding) sends that name.
func onlyHost(host string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "this address is for http://"+host+" only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
