package auth

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/internal/ratelimit"
	"github.com/soundextract/sx/server/sx"
)

// Attempts to register and sign in are limited by address, against trying many
// accounts; by name and network, against guessing one account's password; and by name,
// against guessing it from many networks. Many users may share one address, so that
// limit is higher. The limit by name is higher than what a few networks can use up, and
// does not apply to networks from which the account has signed in, so that strangers
// cannot lock its owner out.
const (
	networkBurst    = 10 // attempts in a row
	networkInterval = 30 * time.Second
	nameBurst       = 50
	nameInterval    = 10 * time.Second
	addressBurst    = 100
	addressInterval = 2 * time.Second
	// Each sign-in that succeeds stores a session for a month: of one account, about 43,000.
	sessionBurst    = 50
	sessionInterval = time.Minute
)

// limits are those of attempts to register, to sign in, to prove who one is, and to find a
// code, and of what is stored for a user without a quota.
type limits struct {
	byAddress *ratelimit.Limiter
	byNetwork *ratelimit.Limiter // by name and network
	byName    *ratelimit.Limiter
	byUser    *ratelimit.Limiter // proofs of those who are signed in, by user ID
	codes     *ratelimit.Limiter // user codes that nobody waits with, by user ID
	changes   *ratelimit.Limiter // of accounts, by the ID of the user who makes them
	sessions  *ratelimit.Limiter // sign-ins that succeed, by user ID
}

func newLimits() limits {
	return limits{
		byAddress: ratelimit.New(addressBurst, addressInterval),
		byNetwork: ratelimit.New(networkBurst, networkInterval),
		byName:    ratelimit.New(nameBurst, nameInterval),
		byUser:    ratelimit.New(networkBurst, networkInterval),
		codes:     ratelimit.New(networkBurst, networkInterval),
		changes:   ratelimit.New(changeBurst, changeInterval),
		sessions:  ratelimit.New(sessionBurst, sessionInterval),
	}
}

func (l limits) prune(now time.Time) {
	for _, each := range []*ratelimit.Limiter{l.byAddress, l.byNetwork, l.byName, l.byUser, l.codes, l.changes, l.sessions} {
		each.Prune(now)
	}
}

// limit counts an attempt of the client's address and, unless it is "", of the name
// from the client's network. If there were too many, it sets the header Retry-After
// and returns an *sx.Error.
func (s *Service) limit(w http.ResponseWriter, from origin, name string) error {
	now := s.cfg.Now()
	wait := s.limits.byAddress.Reserve(from.key, now)
	if wait == 0 && name != "" {
		wait = s.limits.byNetwork.Reserve(from.nameKey(name), now)
	}
	return tooMany(w, signInAttempts, wait)
}

// limitName counts an attempt of the name from any network but those that the account
// knows.
func (s *Service) limitName(w http.ResponseWriter, from origin, name string) error {
	if from.known || name == "" {
		return nil
	}
	return tooMany(w, signInAttempts, s.limits.byName.Reserve(name, s.cfg.Now()))
}

// succeeded restores the attempts of the name from the client's network.
func (s *Service) succeeded(from origin, name string) { s.limits.byNetwork.Reset(from.nameKey(name)) }

// limitSessions counts a sign-in of a user who has proved who they are.
func (s *Service) limitSessions(w http.ResponseWriter, user sx.User) error {
	return tooMany(w, "sign-ins", s.limits.sessions.Reserve(user.ID, s.cfg.Now()))
}

// signInAttempts is what limit, limitName, owner and waitingDevice count, for messages.
const signInAttempts = "sign-in attempts"

// tooMany returns the error for an attempt that has to wait; nil if wait is 0.
func tooMany(w http.ResponseWriter, what string, wait time.Duration) error {
	if wait == 0 {
		return nil
	}
	seconds := int(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	in := time.Duration(seconds) * time.Second
	return sx.NewError(sx.CodeTooManyAttempts, "too many %s; the next is allowed in %v", what, in).
		WithHint("wait %v, then try again", in)
}
