package httpserver

import (
	"context"
	"net"

	"github.com/soundextract/sx/server/sx"
)

// Listen opens the TCP address of the setting addr. An *sx.Error of code
// invalid says why that cannot be.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "cannot listen on %s: %v", addr, err).
			WithHint("free the address, or choose another with --addr; --addr 127.0.0.1:0 takes a free port")
	}
	return l, nil
}
