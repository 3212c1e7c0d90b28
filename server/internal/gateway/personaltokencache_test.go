package gateway

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// TestUnknownTokensAtTheSameTime checks that no more tokens are exchanged at the same time
// than may turn out to be unknown, and that valid ones only wait for each other.
func TestUnknownTokensAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, valid := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Int32
			answer := make(chan struct{})
			p := newPersonalTokenCache(func(context.Context, string) (token.Claims, error) {
				asked.Add(1)
				<-answer
				if valid {
					return token.Claims{UserID: "u1"}, nil
				}
				return token.Claims{}, sx.NewError(sx.CodeUnauthenticated, "no")
			}, time.Now)
			results := make(chan sx.Code, 200)
			for i := range cap(results) {
				go func() {
					_, err := p.verify(t.Context(), strconv.Itoa(i), "192.0.2.1")
					results <- sx.CodeOf(err)
				}()
			}
			synctest.Wait()
			if n := asked.Load(); n != unknownBurst {
				t.Errorf("%d tokens are exchanged at the same time", n)
			}
			close(answer)
			got := map[sx.Code]int{}
			for range cap(results) {
				got[<-results]++
			}
			want := map[sx.Code]int{sx.CodeUnauthenticated: unknownBurst, sx.CodeTooManyAttempts: cap(results) - unknownBurst}
			if valid {
				want = map[sx.Code]int{"": cap(results)}
			}
			if !maps.Equal(got, want) {
				t.Errorf("valid: %v: got %v, want %v", valid, got, want)
			}
		})
	}
}
