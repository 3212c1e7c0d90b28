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
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

const (
	// codeLifetime is how long a confirmation code is valid, maxCodeAttempts how many
	// wrong codes are accepted for it. A code has eight digits.
	codeLifetime    = time.Hour
	maxCodeAttempts = 5
	codeRange       = 100_000_000

	maxAddressLength = 254 // bytes (RFC 5321 section 4.5.3.1.3)
)

// setEmail sends a code to an address. confirmEmail makes it the user's address;
// until then the previous address stays in use.
func (s *Service) setEmail(w http.ResponseWriter, r *http.Request, user string) error {
	var in api.Email
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	if s.mail == nil {
		return sx.NewError(sx.CodeInvalid, "this server does not send e-mail").
			WithHint("use a webhook, or ask the operator of the server to configure a mail server")
	}
	address, err := parseAddress(in.Address)
	if err != nil {
		return err
	}
	settings, err := s.cfg.NotificationSettings.Get(r.Context(), user)
	if err != nil {
		return err
	}
	if settings.Email != address {
		if settings, err = s.sendCode(r.Context(), user, address); err != nil {
			return err
		}
	}
	api.Write(w, http.StatusOK, s.toWire(settings))
	return nil
}

func (s *Service) sendCode(ctx context.Context, user, address string) (sx.NotificationSettings, error) {
	if err := s.countRequest(ctx, codesOf(user)); err != nil {
		return sx.NotificationSettings{}, err
	}
	if err := s.countRequest(ctx, codesTo(address)); err != nil {
		return sx.NotificationSettings{}, err
	}
	n, err := rand.Int(rand.Reader, big.NewInt(codeRange))
	if err != nil {
		return sx.NotificationSettings{}, fmt.Errorf("generate a code: %w", err)
	}
	code := fmt.Sprintf("%08d", n)
	payload, err := json.Marshal(confirmation{code})
	if err != nil {
		return sx.NotificationSettings{}, fmt.Errorf("encode the code: %w", err)
	}
	now := s.cfg.Now()
	settings, err := s.update(ctx, user, func(settings *sx.NotificationSettings) error {
		settings.Pending = &sx.PendingEmail{Address: address, Hash: token.Hash(code), Expires: now.Add(codeLifetime)}
		return nil
	})
	if err != nil {
		return settings, err
	}
	err = s.cfg.Deliveries.Create(ctx, sx.Delivery{
		ID: sx.NewID(), UserID: user, Event: sx.EventConfirm, Channel: sx.ChannelEmail, Target: address,
		Payload: payload, State: sx.DeliveryPending, Due: now, Created: now, Updated: now,
	})
	s.wakeSender()
	return settings, err
}

// parseAddress returns the plain address, or an *sx.Error. It rejects any
// syntax that a mail program could read as more than one address.
func parseAddress(address string) (string, error) {
	address = strings.TrimSpace(address)
	parsed, err := mail.ParseAddress(address)
	local, domain, _ := strings.Cut(address, "@")
	unusual := strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) })
	if err != nil || parsed.Address != address || unusual || local == "" || domain == "" || len(address) > maxAddressLength {
		return "", sx.NewError(sx.CodeInvalid, "%q is not an e-mail address", address).
			WithHint("use an address such as ada@example.org")
	}
	return address, nil
}

// confirmEmail makes the pending address the user's if the code is correct.
// Each wrong code is counted before the response is sent.
func (s *Service) confirmEmail(w http.ResponseWriter, r *http.Request, user string) error {
	var in api.EmailCode
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	hash := token.Hash(strings.TrimSpace(in.Code))
	var wrongCode error // set if the code is wrong, which is stored too
	settings, err := s.update(r.Context(), user, func(settings *sx.NotificationSettings) error {
		wrongCode = nil
		p := settings.Pending
		if p == nil || !s.cfg.Now().Before(p.Expires) {
			return sx.NewError(sx.CodeInvalid, "no address is waiting for confirmation").
				WithHint("set the address again to get a new code")
		}
		if subtle.ConstantTimeCompare([]byte(hash), []byte(p.Hash)) == 1 {
			settings.Email, settings.Pending = p.Address, nil
			return nil
		}
		wrong := sx.NewError(sx.CodeInvalid, "wrong code")
		if p.Tries+1 >= maxCodeAttempts {
			settings.Pending = nil
			wrongCode = wrong.WithHint("set the address %s again: a new code is sent to it", p.Address)
			return nil
		}
		counted := *p
		counted.Tries++
		settings.Pending = &counted
		wrongCode = wrong.WithHint("copy the eight digits from the latest mail to %s", p.Address)
		return nil
	})
	if err == nil {
		err = wrongCode
	}
	if err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "e-mail address confirmed")
	api.Write(w, http.StatusOK, s.toWire(settings))
	return nil
}

func (s *Service) removeEmail(w http.ResponseWriter, r *http.Request, user string) error {
	_, err := s.update(r.Context(), user, func(settings *sx.NotificationSettings) error {
		if settings.Email == "" && settings.Pending == nil {
			return store.ErrUnchanged
		}
		settings.Email, settings.Pending = "", nil
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
