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
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

const (
	// personalLife is how long the answer about a personal token is used: what
	// is revoked or disabled is refused after that time at the latest.
	personalLife = time.Minute
	// maxPersonal bounds the memory to a few megabytes, against made-up tokens.
	maxPersonal = 10_000
	// exchangeLimit bounds one question to auth.
	exchangeLimit = 5 * time.Second
	maxExchanged  = 64 << 10 // bytes of an answer
)

// personals knows whom personal tokens stand for. Auth is asked once a minute
// for each token; in between, a request needs no call, as with an access token.
type personals struct {
	ask   func(ctx context.Context, raw string) (token.Claims, error)
	now   func() time.Time
	group singleflight.Group

	mu     sync.Mutex
	byHash map[string]*list.Element
	recent *list.List // of *personalAnswer, the one used last in front
}

type personalAnswer struct {
	hash   string
	claims token.Claims
	err    error // of code unauthenticated
	until  time.Time
}

func newPersonals(ask func(context.Context, string) (token.Claims, error), now func() time.Time) *personals {
	return &personals{ask: ask, now: now, byHash: map[string]*list.Element{}, recent: list.New()}
}

// verify gives the claims of a personal token. The question outlives ctx,
// because other requests wait for its answer too.
func (p *personals) verify(ctx context.Context, raw string) (token.Claims, error) {
	hash := token.Hash(raw)
	if a, ok := p.known(hash); ok {
		return a.claims, a.err
	}
	answered := p.group.DoChan(hash, func() (any, error) {
		if a, ok := p.known(hash); ok {
			return a.claims, a.err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeLimit)
		defer cancel()
		// Counted from the question: the token may be revoked while it is answered.
		until := p.now().Add(personalLife)
		claims, err := p.ask(ctx, raw)
		if err == nil || sx.CodeOf(err) == sx.CodeUnauthenticated {
			p.keep(&personalAnswer{hash, claims, err, until})
		}
		return claims, err
	})
	select {
	case r := <-answered:
		claims, _ := r.Val.(token.Claims)
		return claims, r.Err
	case <-ctx.Done():
		return token.Claims{}, ctx.Err()
	}
}

func (p *personals) known(hash string) (*personalAnswer, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.byHash[hash]
	if !ok {
		return nil, false
	}
	a, _ := e.Value.(*personalAnswer)
	if !p.now().Before(a.until) {
		p.remove(e)
		return nil, false
	}
	p.recent.MoveToFront(e)
	return a, true
}

func (p *personals) keep(a *personalAnswer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.byHash[a.hash]; ok {
		p.remove(e)
	}
	if len(p.byHash) >= maxPersonal {
		p.remove(p.recent.Back())
	}
	p.byHash[a.hash] = p.recent.PushFront(a)
}

func (p *personals) remove(e *list.Element) {
	a, _ := p.recent.Remove(e).(*personalAnswer)
	delete(p.byHash, a.hash)
}

// exchange asks auth for an access token in exchange for a personal one, and
// checks it like any other: who can answer in auth's place is not believed.
func (s *Service) exchange(ctx context.Context, raw string) (token.Claims, error) {
	away := func(err error) error {
		return sx.NewError(sx.CodeUnavailable, "personal tokens cannot be checked at the moment").WithCause(err)
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
	res, err := s.cfg.AuthTransport.RoundTrip(req)
	if err != nil {
		return token.Claims{}, away(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxExchanged))
	if err != nil {
		return token.Claims{}, away(err)
	}
	if res.StatusCode != http.StatusOK {
		var failed api.ErrorBody
		if json.Unmarshal(answer, &failed) == nil && failed.Error.Code == sx.CodeUnauthenticated {
			return token.Claims{}, failed.Error.ToError()
		}
		return token.Claims{}, away(fmt.Errorf("auth answered %s", res.Status))
	}
	var out api.Exchanged
	if err := json.Unmarshal(answer, &out); err != nil {
		return token.Claims{}, away(fmt.Errorf("read auth's answer: %w", err))
	}
	return s.cfg.Verify(ctx, out.AccessToken)
}
