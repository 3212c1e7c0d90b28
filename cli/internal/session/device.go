package session

import (
	"context"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// Ways returns how people sign in to the server.
func (a *Account) Ways(ctx context.Context) (api.Registration, error) {
	return a.open.Registration(ctx)
}

// StartDevice begins a sign-in that a browser approves.
func (a *Account) StartDevice(ctx context.Context) (api.NewDevice, error) {
	return a.open.CreateDevice(ctx)
}

// PageURL returns the address of the server's web page, or "" if sx does not know it:
// requests in a tunnel reach a server that may have other addresses for browsers.
func (a *Account) PageURL() string {
	if a.tunnel {
		return ""
	}
	return strings.TrimSuffix(a.server.String(), "/") + "/"
}

// AwaitDevice waits until a browser has approved the sign-in, and signs in.
func (a *Account) AwaitDevice(ctx context.Context, d api.NewDevice) (api.User, error) {
	return a.signIn(ctx, func() (api.Tokens, error) {
		for {
			tokens, err := a.open.DeviceTokens(ctx, d.Code)
			if err == nil && tokens.AccessToken != "" {
				return tokens, nil
			}
			if err != nil && (!sx.CodeOf(err).Retryable() || time.Now().After(d.Expires)) {
				return tokens, err
			}
			if err := backoff.Sleep(ctx, api.DeviceInterval); err != nil {
				return tokens, err
			}
		}
	})
}
