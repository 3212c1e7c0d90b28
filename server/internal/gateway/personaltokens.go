package gateway

import (
	"bytes"
	"container/list"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/ratelimit"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

const (
	// personalTokenTTL bounds how long a personal token still works at the gateway
	// after it was revoked or its account disabled.
	personalTokenTTL = time.Minute
	// maxCachedTokens bounds the memory to a few megabytes, against invented tokens.
	maxCachedTokens     = 10_000
	exchangeTimeout     = 5 * time.Second
	maxExchangeResponse = 64 << 10 // bytes

	// Unknown tokens are limited by address, because each costs a request to auth.
	unknownBurst    = 30
	unknownInterval = 2 * time.Second
)

// personalTokenCache remembers the claims of personal tokens, so that auth is
// called once a minute for each token instead of for each request.
type personalTokenCache struct {
	exchange func(ctx context.Context, raw string) (token.Claims, error)
	now      func() time.Time
	group    singleflight.Group
	unknown  *ratelimit.Limiter

	mu     sync.Mutex
	byHash map[string]*list.Element
	recent *list.List // of *cachedToken, most recently used first
}

type cachedToken struct {
	hash    string
	claims  token.Claims
	err     error // its code is unauthenticated
	expires time.Time
}

// known reports whether the token was valid when it was last exchanged.
func (t *cachedToken) known() bool { return t != nil && t.err == nil }

func newPersonalTokenCache(exchange func(context.Context, string) (token.Claims, error), now func() time.Time) *personalTokenCache {
	return &personalTokenCache{exchange: exchange, now: now, unknown: ratelimit.New(unknownBurst, unknownInterval), byHash: map[string]*list.Element{}, recent: list.New()}
}

// verify returns the claims of a personal token. from is the client's key, by which unknown
// tokens are limited; "" is no limit. The exchange outlives ctx, because other requests may
// wait for it too.
func (c *personalTokenCache) verify(ctx context.Context, raw, from string) (token.Claims, error) {
	hash := token.Hash(raw)
	t, fresh := c.get(hash)
	if fresh {
		return t.claims, t.err
	}
	// One exchange for each address, so that none uses up the attempts of another.
	exchanged := c.group.DoChan(from+" "+hash, func() (any, error) {
		t, fresh := c.get(hash)
		if fresh {
			return t.claims, t.err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout)
		defer cancel()
		if from == "" || t.known() {
			return c.ask(ctx, raw, hash)
		}
		if err := c.begin(ctx, from); err != nil {
			return token.Claims{}, err
		}
		claims, err := c.ask(ctx, raw, hash)
		c.unknown.End(from, c.now(), sx.CodeOf(err) == sx.CodeUnauthenticated)
		return claims, err
	})
	select {
	case r := <-exchanged:
		claims, _ := r.Val.(token.Claims)
		return claims, r.Err
	case <-ctx.Done():
		return token.Claims{}, ctx.Err()
	}
}

// begin begins an attempt of the client with a token that is not known to be valid. If all
// that are left belong to exchanges, it waits for their results: those of valid tokens do
// not count.
func (c *personalTokenCache) begin(ctx context.Context, from string) error {
	for {
		wait, ended := c.unknown.Begin(from, c.now())
		if wait == 0 {
			return nil
		}
		tooMany := sx.NewError(sx.CodeTooManyAttempts, "too many unknown tokens from your address").
			WithRetryAfter(wait).WithHint("check the token, and try again in a minute")
		if ended == nil {
			return tooMany
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return tooMany
		}
	}
}

// ask exchanges the token and remembers the result.
func (c *personalTokenCache) ask(ctx context.Context, raw, hash string) (token.Claims, error) {
	// Counted from the start: the token may be revoked during the exchange.
	expires := c.now().Add(personalTokenTTL)
	claims, err := c.exchange(ctx, raw)
	if err == nil || sx.CodeOf(err) == sx.CodeUnauthenticated {
		c.put(&cachedToken{hash, claims, err, expires})
	}
	return claims, err
}

// get returns the cached entry of a token, and whether it is fresh.
func (c *personalTokenCache) get(hash string) (t *cachedToken, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byHash[hash]
	if !ok {
		return nil, false
	}
	c.recent.MoveToFront(e)
	t, _ = e.Value.(*cachedToken)
	return t, c.now().Before(t.expires)
}

func (c *personalTokenCache) put(t *cachedToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byHash[t.hash]; ok {
		c.remove(e)
	}
	if len(c.byHash) >= maxCachedTokens {
		c.remove(c.recent.Back())
	}
	c.byHash[t.hash] = c.recent.PushFront(t)
}

func (c *personalTokenCache) remove(e *list.Element) {
	t, _ := c.recent.Remove(e).(*cachedToken)
	delete(c.byHash, t.hash)
}

// exchange gets an access token from auth in exchange for a personal one, and
// verifies its signature like that of any other, because a service that
// impersonates auth must not be trusted.
func (s *Service) exchange(ctx context.Context, raw string) (token.Claims, error) {
	unavailable := func(err error) error {
		return sx.NewError(sx.CodeUnavailable, "personal tokens cannot be verified at the moment").WithCause(err)
	}
	body, err := json.Marshal(api.ExchangeRequest{Token: raw})
	if err != nil {
		return token.Claims{}, fmt.Errorf("encode request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.AuthURL.JoinPath(api.PathExchange).String(), bytes.NewReader(body))
	if err != nil {
		return token.Claims{}, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	tracing.Inject(ctx, req.Header)
	res, err := s.cfg.AuthTransport.RoundTrip(req)
	if err != nil {
		return token.Claims{}, unavailable(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxExchangeResponse))
	if err != nil {
		return token.Claims{}, unavailable(err)
	}
	if res.StatusCode != http.StatusOK {
		var failed api.ErrorBody
		if json.Unmarshal(answer, &failed) == nil && failed.Error.Code == sx.CodeUnauthenticated {
			return token.Claims{}, failed.Error.ToError()
		}
		return token.Claims{}, unavailable(fmt.Errorf("auth answered %s", res.Status))
	}
	var out api.Exchanged
	if err := json.Unmarshal(answer, &out); err != nil {
		return token.Claims{}, unavailable(fmt.Errorf("decode auth's response: %w", err))
	}
	return s.cfg.Verify(ctx, out.AccessToken)
}
