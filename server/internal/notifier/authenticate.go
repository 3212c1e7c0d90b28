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
	authTimeout  = 10 * time.Second
	maxAuthReply = 64 << 10 // bytes
)

// authenticate returns the ID of the user who sent the request. It asks the auth
// service instead of verifying the access token itself, so that a sign-out
// takes effect immediately: an attacker who changes these settings with a
// stolen token would still receive notifications after it has expired. For the
// same reason personal tokens are refused.
func (s *Service) authenticate(r *http.Request) (string, error) {
	raw, err := token.Bearer(r.Header)
	if err != nil {
		return "", err
	}
	user, err := s.fetchUser(r.Context(), raw)
	if err != nil {
		return "", err
	}
	httpserver.SetUser(r.Context(), user.ID)
	if token.IsPersonal(raw) {
		return "", sx.NewError(sx.CodeForbidden, "a personal token cannot do this").
			WithHint("sign in with name and password instead")
	}
	return user.ID, nil
}

// fetchUser asks the auth service for the token's user.
func (s *Service) fetchUser(ctx context.Context, raw string) (user api.User, err error) {
	unavailable := func(err error) error {
		return sx.NewError(sx.CodeUnavailable, "the auth service is unavailable").WithCause(err)
	}
	ctx, cancel := context.WithTimeout(ctx, authTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.AuthURL.JoinPath(api.PathMe).String(), http.NoBody)
	if err != nil {
		return user, fmt.Errorf("create request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+raw)
	if id := httpserver.RequestID(ctx); id != "" {
		req.Header.Set(api.HeaderRequestID, id)
	}
	res, err := s.cfg.AuthTransport.RoundTrip(req)
	if err != nil {
		return user, unavailable(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAuthReply))
	if err != nil {
		return user, unavailable(err)
	}
	if res.StatusCode != http.StatusOK {
		var failed api.ErrorBody
		if json.Unmarshal(body, &failed) == nil && failed.Error.Code == sx.CodeUnauthenticated {
			return user, failed.Error.ToError()
		}
		return user, unavailable(fmt.Errorf("the auth service answered %s", res.Status))
	}
	if err := json.Unmarshal(body, &user); err != nil {
		return user, unavailable(fmt.Errorf("decode the auth service's response: %w", err))
	}
	return user, nil
}
