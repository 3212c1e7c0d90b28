package gateway

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	p := newPersonalTokenCache(func(context.Context, string) (token.Claims, error) {
		return token.Claims{}, sx.NewError(sx.CodeUnauthenticated, "no")
	}, time.Now)
	for i := range maxCachedTokens + 10 {
		if _, err := p.verify(t.Context(), strconv.Itoa(i), ""); sx.CodeOf(err) != sx.CodeUnauthenticated {
			t.Fatal(err)
		}
	}
	if len(p.byHash) != maxCachedTokens || p.recent.Len() != maxCachedTokens {
		t.Errorf("%d results are cached", len(p.byHash))
	}
}

func TestExchangeOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	p := newPersonalTokenCache(func(ctx context.Context, _ string) (token.Claims, error) {
		close(asked)
		<-answer
		return token.Claims{UserID: "u1"}, ctx.Err()
	}, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	impatient := make(chan error, 1)
	go func() { _, err := p.verify(ctx, "x", ""); impatient <- err }()
	<-asked
	cancel()
	if err := <-impatient; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(answer)
	if got, err := p.verify(t.Context(), "x", ""); err != nil || got.UserID != "u1" {
		t.Errorf("got %+v, %v", got, err)
	}
}
