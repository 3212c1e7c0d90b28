package auth

import (
	"container/list"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/soundextract/sx/server/sx"
)

// Attempts to register and sign in are limited by name, against guessing one
// account's password from many addresses, and by address, against trying many
// accounts. Many users may share one address, so that limit is higher.
const (
	nameBurst       = 10 // attempts in a row
	nameInterval    = 30 * time.Second
	addressBurst    = 100
	addressInterval = 2 * time.Second
	// maxKeys bounds a limiter's memory to a few megabytes.
	maxKeys = 20_000
)

// limiter allows each key a burst of attempts, and one more per interval.
type limiter struct {
	burst    int
	interval time.Duration

	mu     sync.Mutex
	byKey  map[string]*list.Element
	recent *list.List // of *bucket, most recently used first
}

type bucket struct {
	key   string
	limit *rate.Limiter
	used  time.Time
}

func newLimiter(burst int, interval time.Duration) *limiter {
	return &limiter{burst: burst, interval: interval, byKey: map[string]*list.Element{}, recent: list.New()}
}

// reserve takes one attempt of the key. If there is none left, it takes nothing
// and returns the time until the next one.
func (l *limiter) reserve(key string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[key]
	if !ok {
		if len(l.byKey) >= maxKeys {
			l.remove(l.recent.Back())
		}
		e = l.recent.PushFront(&bucket{key: key, limit: rate.NewLimiter(rate.Every(l.interval), l.burst)})
		l.byKey[key] = e
	}
	l.recent.MoveToFront(e)
	b, _ := e.Value.(*bucket)
	b.used = now
	reserved := b.limit.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

// reset restores all attempts of the key.
func (l *limiter) reset(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byKey[key]; ok {
		l.remove(e)
	}
}

// prune drops the keys whose attempts are all restored.
func (l *limiter) prune(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := time.Duration(l.burst) * l.interval
	for e := l.recent.Back(); e != nil; e = l.recent.Back() {
		if b, _ := e.Value.(*bucket); now.Sub(b.used) < full {
			return
		}
		l.remove(e)
	}
}

func (l *limiter) remove(e *list.Element) {
	b, _ := l.recent.Remove(e).(*bucket)
	delete(l.byKey, b.key)
}

// limit counts an attempt of the client's address and, unless it is "", of the
// name. If there were too many, it sets the header Retry-After and returns an
// *sx.Error.
func (s *Service) limit(w http.ResponseWriter, r *http.Request, name string) error {
	now := s.cfg.Now()
	wait := s.byAddress.reserve(s.address(r), now)
	if wait == 0 && name != "" {
		wait = s.byName.reserve(name, now)
	}
	if wait == 0 {
		return nil
	}
	seconds := int(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	in := time.Duration(seconds) * time.Second
	return sx.NewError(sx.CodeTooManyAttempts, "too many sign-in attempts; the next is allowed in %v", in).
		WithHint("wait %v, then try again", in)
}

// address returns the key by which attempts are counted: the client's IPv4
// address, or the /64 network of its IPv6 address, because that is what one
// subscriber gets.
func (s *Service) address(r *http.Request) string {
	var text string
	if port, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		text = port.Addr().String()
	}
	if s.cfg.TrustForwarded {
		list := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
		if last := strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:]); last != "" {
			text = last
		}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return "unknown" // they share one limit
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}
