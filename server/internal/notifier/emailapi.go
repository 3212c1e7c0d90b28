package notifier

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/mail"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

const (
	// codeLife is how long the code for an address is good, codeTries how many
	// wrong ones may be given for it. A code has eight digits.
	codeLife  = time.Hour
	codeTries = 5
	codeRange = 100_000_000
	// askedFor is how many codes and how many tests a user may ask for within a
	// day, so that nobody uses the server to fill others' mailboxes and logs.
	askedFor = 20

	maxAddress = 254 // bytes of an address (RFC 5321 section 4.5.3.1.3)
)

// setEmail sends a code to an address, which becomes the user's when the code
// comes back. Until then the address before is used.
func (s *Service) setEmail(w http.ResponseWriter, r *http.Request, user string) error {
	var in api.Email
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	if s.mail == nil {
		return sx.NewError(sx.CodeInvalid, "this server sends no e-mail").
			WithHint("use a webhook: sx notify webhook add URL; or ask whoever runs the server for --smtp-addr")
	}
	address, err := checkAddress(in.Address)
	if err != nil {
		return err
	}
	c, err := s.cfg.NotificationSettings.Get(r.Context(), user)
	if err != nil {
		return err
	}
	if c.Email != address {
		if c, err = s.sendCode(r.Context(), user, address); err != nil {
			return err
		}
	}
	api.Write(w, http.StatusOK, s.wire(c))
	return nil
}

func (s *Service) sendCode(ctx context.Context, user, address string) (sx.NotificationSettings, error) {
	if err := s.limit(ctx, user, sx.EventConfirm); err != nil {
		return sx.NotificationSettings{}, err
	}
	n, err := rand.Int(rand.Reader, big.NewInt(codeRange))
	if err != nil {
		return sx.NotificationSettings{}, fmt.Errorf("make a code: %w", err)
	}
	code := fmt.Sprintf("%08d", n)
	payload, err := json.Marshal(confirmation{code})
	if err != nil {
		return sx.NotificationSettings{}, fmt.Errorf("encode the code: %w", err)
	}
	now := s.cfg.Now()
	c, err := s.change(ctx, user, func(c *sx.NotificationSettings) (bool, error) {
		c.Pending = &sx.PendingEmail{Address: address, Hash: token.Hash(code), Expires: now.Add(codeLife)}
		return true, nil
	})
	if err != nil {
		return c, err
	}
	err = s.cfg.Deliveries.Create(ctx, sx.Delivery{
		ID: sx.NewID(), UserID: user, Event: sx.EventConfirm, Channel: sx.ChannelEmail, Target: address,
		Payload: payload, State: sx.DeliveryPending, Due: now, Created: now, Updated: now,
	})
	s.poke()
	return c, err
}

// limit bounds how often a user may ask for something within a day.
func (s *Service) limit(ctx context.Context, user string, event sx.Event) error {
	list, err := s.cfg.Deliveries.List(ctx, user, api.MaxLimit)
	if err != nil {
		return err
	}
	since, asked := s.cfg.Now().Add(-24*time.Hour), map[string]bool{}
	for _, d := range list {
		if d.Event != event || !d.Created.After(since) {
			continue
		}
		if event == sx.EventTest { // its deliveries are made at once
			asked[d.Created.String()] = true
		} else {
			asked[d.ID] = true
		}
	}
	if len(asked) >= askedFor {
		return sx.NewError(sx.CodeTooManyAttempts, "too many messages of this kind were asked for").
			WithHint("try again tomorrow")
	}
	return nil
}

// checkAddress gives the plain address, or an *sx.Error. What could mean more
// than one address to some program on the way is not taken.
func checkAddress(address string) (string, error) {
	address = strings.TrimSpace(address)
	parsed, err := mail.ParseAddress(address)
	local, domain, _ := strings.Cut(address, "@")
	odd := strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) })
	if err != nil || parsed.Address != address || odd || local == "" || domain == "" || len(address) > maxAddress {
		return "", sx.NewError(sx.CodeInvalid, "%q is not an e-mail address", address).
			WithHint("give one such as ada@example.org")
	}
	return address, nil
}

// confirmEmail takes the code. Each wrong one is counted before it is answered.
func (s *Service) confirmEmail(w http.ResponseWriter, r *http.Request, user string) error {
	var in api.EmailCode
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	hash := token.Hash(strings.TrimSpace(in.Code))
	c, err := s.change(r.Context(), user, func(c *sx.NotificationSettings) (bool, error) {
		p := c.Pending
		if p == nil || !s.cfg.Now().Before(p.Expires) {
			return false, sx.NewError(sx.CodeInvalid, "no address waits for a code").
				WithHint("ask for one with: sx notify email ADDRESS")
		}
		if subtle.ConstantTimeCompare([]byte(hash), []byte(p.Hash)) == 1 {
			c.Email, c.Pending = p.Address, nil
			return true, nil
		}
		wrong := sx.NewError(sx.CodeInvalid, "the code is wrong").WithHint("copy the eight digits from the newest mail to %s", p.Address)
		if p.Tries+1 >= codeTries {
			c.Pending = nil
			return true, wrong.WithHint("ask for another with: sx notify email %s", p.Address)
		}
		counted := *p
		counted.Tries++
		c.Pending = &counted
		return true, wrong
	})
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "e-mail address confirmed")
	api.Write(w, http.StatusOK, s.wire(c))
	return nil
}

func (s *Service) removeEmail(w http.ResponseWriter, r *http.Request, user string) error {
	_, err := s.change(r.Context(), user, func(c *sx.NotificationSettings) (bool, error) {
		used := c.Email != "" || c.Pending != nil
		c.Email, c.Pending = "", nil
		return used, nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
