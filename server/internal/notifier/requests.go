package notifier

import (
	"context"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// maxRequestsPerDay limits the codes that a user requests on a UTC day, those that all
// users request for an address, and the tests of a user, so that the server cannot be used
// to flood mailboxes and webhooks.
const maxRequestsPerDay = 20

// testsOf, codesOf and codesTo name counters. The name of a counter for an address contains
// its hash, so that the address is not stored.
func testsOf(user string) string { return "tests of user " + user }

func codesOf(user string) string { return "codes of user " + user }

func codesTo(address string) string { return "codes to " + token.Hash(mailbox(address)) }

func onDay(counter string, day time.Time) string { return counter + " on " + day.Format(time.DateOnly) }

const day = 24 * time.Hour

// countRequest counts a request, or returns an error if there were as many today as are
// allowed. It is called before anything is sent, so that requests at the same time count
// each other.
func (s *Service) countRequest(ctx context.Context, counter string) error {
	return s.countUpTo(ctx, counter, maxRequestsPerDay)
}

func (s *Service) countUpTo(ctx context.Context, counter string, most int) error {
	today := s.cfg.Now().UTC().Truncate(day)
	added, err := s.cfg.Counters.Add(ctx, onDay(counter, today), most, today.Add(day))
	if err == nil && !added {
		err = sx.NewError(sx.CodeTooManyAttempts, "too many messages requested today").WithHint("try again tomorrow")
	}
	return err
}

// eraseCounters deletes the counters of a user who can request nothing any more. Those of
// earlier days have expired.
func (s *Service) eraseCounters(ctx context.Context, user string) error {
	today := s.cfg.Now().UTC().Truncate(day)
	for _, counter := range []string{testsOf(user), codesOf(user), replaysOf(user)} {
		for _, d := range []time.Time{today, today.Add(-day)} { // midnight may just have passed
			if err := s.cfg.Counters.Delete(ctx, onDay(counter, d)); err != nil {
				return err
			}
		}
	}
	return nil
}

// mailbox returns the same for the addresses that usually name one mailbox: in any case,
// and with a detail after a plus sign (RFC 5233).
func mailbox(address string) string {
	local, domain, _ := strings.Cut(strings.ToLower(address), "@")
	local, _, _ = strings.Cut(local, "+")
	return local + "@" + domain
}
