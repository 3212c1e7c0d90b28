package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

const (
	askLimit = 10 * time.Second
	maxUser  = 64 << 10 // bytes of an answer
)

// caller gives the id of the user who sends a request. Auth itself is asked, so
// that the end of a sign-in counts at once: where notices go would outlast the
// access token, and so a personal token cannot see or change it at all.
func (s *Service) caller(r *http.Request) (string, error) {
	raw, err := token.Bearer(r.Header)
	if err != nil {
		return "", err
	}
	user, err := s.ask(r.Context(), raw)
	if err != nil {
		return "", err
	}
	httpserver.SetUser(r.Context(), user.ID)
	if token.IsPersonal(raw) {
		return "", sx.NewError(sx.CodeForbidden, "a personal token cannot do this").
			WithHint("sign in with: sx login, without the variable SX_TOKEN")
	}
	return user.ID, nil
}

// ask asks auth whose token it is.
func (s *Service) ask(ctx context.Context, raw string) (user api.User, err error) {
	away := func(err error) error {
		return sx.NewError(sx.CodeUnavailable, "sign-ins cannot be checked at the moment").WithCause(err)
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.AuthURL.JoinPath(api.PathMe).String(), http.NoBody)
	if err != nil {
		return user, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+raw)
	if id := httpserver.RequestID(ctx); id != "" {
		req.Header.Set(api.HeaderRequestID, id)
	}
	res, err := s.cfg.AuthTransport.RoundTrip(req)
	if err != nil {
		return user, away(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxUser))
	if err != nil {
		return user, away(err)
	}
	if res.StatusCode != http.StatusOK {
		var failed api.ErrorBody
		if json.Unmarshal(answer, &failed) == nil && failed.Error.Code == sx.CodeUnauthenticated {
			return user, failed.Error.ToError()
		}
		return user, away(fmt.Errorf("auth answered %s", res.Status))
	}
	if err := json.Unmarshal(answer, &user); err != nil {
		return user, away(fmt.Errorf("read auth's answer: %w", err))
	}
	return user, nil
}
