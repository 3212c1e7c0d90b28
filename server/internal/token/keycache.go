package token

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/soundextract/sx/server/sx"
)

// Fetch returns the JSON Web Key Set that auth publishes.
type Fetch func(ctx context.Context) ([]byte, error)

// FetchURL returns a Fetch that gets the document at url.
func FetchURL(hc *http.Client, url string) Fetch {
	return func(ctx context.Context) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return nil, fmt.Errorf("make request: %w", err)
		}
		res, err := hc.Do(req)
		if err != nil {
			return nil, fmt.Errorf("fetch keys: %w", err)
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("fetch keys: %s answered %s", url, res.Status)
		}
		doc, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet))
		if err != nil {
			return nil, fmt.Errorf("fetch keys: %w", err)
		}
		return doc, nil
	}
}

const (
	maxKeySet = 256 << 10
	// freshFor is how long fetched keys are used before they are fetched again. A
	// key that auth has removed is refused after that time.
	freshFor = 5 * time.Minute
	// staleFor is how long they are used while auth is unavailable, so that a
	// restart of auth does not sign anyone out.
	staleFor = time.Hour
	// fetchInterval is the minimum time between two fetches, so that tokens with
	// invented key ids cannot flood auth.
	fetchInterval = 5 * time.Second
	// retryInterval is the same after a failed fetch: auth may just have been
	// restarting.
	retryInterval = time.Second
	fetchTimeout  = 3 * time.Second
)

// keyCache keeps fetched keys.
type keyCache struct {
	fetch Fetch
	now   func() time.Time
	group singleflight.Group

	mu      sync.Mutex
	keys    map[string]ed25519.PublicKey
	fetched time.Time // when the keys were fetched
	tried   time.Time // when the last fetch ended
	failure error     // of the last fetch
}

// key returns the key with the id. Its error is an *sx.Error of code
// unavailable if the keys cannot be fetched, and of code unauthenticated if
// none of them has the id.
func (c *keyCache) key(ctx context.Context, id string) (ed25519.PublicKey, error) {
	if c.needsRefresh(id) {
		if err := c.refresh(ctx); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	usable := c.keys != nil && c.now().Sub(c.fetched) < staleFor
	if key, ok := c.keys[id]; ok && usable {
		return key, nil
	}
	// After a failed fetch it is unknown whether the id is valid.
	if c.failure != nil || !usable {
		return nil, sx.NewError(sx.CodeUnavailable, "access tokens cannot be verified at the moment").WithCause(c.failure)
	}
	return nil, invalid("the access token is signed with an unknown key")
}

// needsRefresh reports whether newer keys would help to look id up.
func (c *keyCache) needsRefresh(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.keys[id]
	return !known || c.now().Sub(c.fetched) >= freshFor
}

// due reports whether it is time for another fetch.
func (c *keyCache) due() bool {
	pause := fetchInterval
	if c.failure != nil {
		pause = retryInterval
	}
	return c.tried.IsZero() || c.now().Sub(c.tried) >= pause
}

// refresh fetches the keys if that is due, once for all callers that wait. The
// fetch outlives ctx, because others may wait for it too. A failure is
// recorded, not returned.
func (c *keyCache) refresh(ctx context.Context) error {
	done := c.group.DoChan("", func() (any, error) {
		c.mu.Lock()
		due := c.due()
		c.mu.Unlock()
		if !due {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		doc, err := c.fetch(ctx)
		var keys map[string]ed25519.PublicKey
		if err == nil {
			keys, err = parseJWKS(doc)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tried, c.failure = c.now(), err
		if err == nil {
			c.keys, c.fetched = keys, c.tried
		}
		return nil, nil
	})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
