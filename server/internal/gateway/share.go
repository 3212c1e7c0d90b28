package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

const (
	minShareLife = time.Minute

	// How often openings of pages are stored is limited by address, because each is a write.
	openBurst    = 60
	openInterval = time.Second
	// maxPendingUses bounds the memory of openings that are not stored yet.
	maxPendingUses = 10_000
)

// createShare creates a link to the MP3s of a job.
func (s *Service) createShare(w http.ResponseWriter, r *http.Request) error {
	j, err := s.owned(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	var in api.NewShare
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	if in.ExpiresIn == 0 {
		in.ExpiresIn = int(api.DefaultShareLife / time.Second)
	}
	if in.ExpiresIn < int(minShareLife/time.Second) || in.ExpiresIn > int(api.MaxShareLife/time.Second) {
		return sx.NewError(sx.CodeInvalid, "invalid expires_in %d", in.ExpiresIn).
			WithHint("specify %d to %d seconds", int(minShareLife/time.Second), int(api.MaxShareLife/time.Second))
	}
	now := s.cfg.Now()
	secret := token.NewSecret(api.SharePrefix, j.ID)
	made := sx.Share{
		ID: sx.NewShareID(j.ID), Hash: token.Hash(secret),
		Created: now, Expires: now.Add(time.Duration(in.ExpiresIn) * time.Second),
	}
	if _, err := s.cfg.Updater.Update(r.Context(), j.ID, func(j *sx.Job) error { return j.AddShare(made, now) }); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "link created", "job", j.ID, "link", made.ID)
	api.Write(w, http.StatusCreated, api.CreatedShare{Share: api.FromShare(made), Path: api.SharedPaths + secret})
	return nil
}

// revokeShare removes a link.
func (s *Service) revokeShare(w http.ResponseWriter, r *http.Request) error {
	j, err := s.owned(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	id := r.PathValue("share")
	if _, err := s.cfg.Updater.Update(r.Context(), j.ID, func(j *sx.Job) error { return j.RemoveShare(id, s.cfg.Now()) }); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "link revoked", "job", j.ID, "link", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// shared returns the job that the request's link shows, and the link. The error for a link
// that does not work is the same whatever the reason.
func (s *Service) shared(r *http.Request) (sx.Job, sx.Share, error) {
	bad := sx.NewError(sx.CodeNotFound, "this link does not work: it is incomplete, has expired or was revoked").
		WithHint("ask the person who sent it for another one")
	secret := r.PathValue("secret")
	id := token.SecretID(api.SharePrefix, secret)
	if id == "" {
		return sx.Job{}, sx.Share{}, bad
	}
	j, err := s.cfg.Jobs.Get(r.Context(), id)
	if err != nil {
		if sx.CodeOf(err) == sx.CodeNotFound {
			err = bad
		}
		return sx.Job{}, sx.Share{}, err
	}
	link, ok := j.ShareByHash(token.Hash(secret), s.cfg.Now())
	if !ok {
		return sx.Job{}, sx.Share{}, bad
	}
	active, err := s.active(r.Context(), j.Owner)
	if err == nil && !active {
		err = bad
	}
	return j, link, err
}

// active asks auth whether the account can be used. The answer is not cached, so that what
// a disabled account has shared disappears at once.
func (s *Service) active(ctx context.Context, userID string) (bool, error) {
	unavailable := func(err error) error {
		return sx.NewError(sx.CodeUnavailable, "the link cannot be checked at the moment").WithCause(err)
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	body, err := json.Marshal(api.ActiveRequest{UserID: userID})
	if err != nil {
		return false, fmt.Errorf("encode request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.AuthURL.JoinPath(api.PathActive).String(), bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	tracing.Inject(ctx, req.Header)
	res, err := s.cfg.AuthTransport.RoundTrip(req)
	if err != nil {
		return false, unavailable(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return false, unavailable(fmt.Errorf("auth answered %s", res.Status))
	}
	var out api.Active
	if err := json.NewDecoder(io.LimitReader(res.Body, maxExchangeResponse)).Decode(&out); err != nil {
		return false, unavailable(fmt.Errorf("decode auth's response: %w", err))
	}
	return out.Active, nil
}

// sharePage serves the page of a link.
func (s *Service) sharePage(w http.ResponseWriter, r *http.Request) error {
	guardShared(w)
	j, err := s.openShare(r)
	if err == nil {
		writeSharePage(w, r, j)
		return nil
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return err
	}
	s.logFailure(r.Context(), err)
	writeShareError(w, err)
	return nil
}

// openShare returns the job that the page shows, and counts the use of the link. Many people may have
// the same address, such as a lecture's audience: beyond the limit, their openings are stored
// with a later one.
func (s *Service) openShare(r *http.Request) (sx.Job, error) {
	j, link, err := s.shared(r)
	if err != nil || r.Method != http.MethodGet {
		return j, err
	}
	if from := s.clientKey(r); from != "" && s.opened.Reserve(from, s.cfg.Now()) > 0 {
		s.pendingUses.add(link.ID)
		return j, nil
	}
	n := 1 + s.pendingUses.take(link.ID)
	_, err = s.cfg.Updater.Update(r.Context(), j.ID, func(j *sx.Job) error { return j.UseShare(link.ID, n, s.cfg.Now()) })
	if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
		s.cfg.Log.WarnContext(r.Context(), "uses of a link were not counted", "job", j.ID, "link", link.ID, "uses", n, "error", err)
	}
	return j, nil
}

// pendingUses counts the openings of links that are not stored yet, by the link's ID.
type pendingUses struct {
	mu     sync.Mutex
	byLink map[string]int
}

func (p *pendingUses) add(link string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byLink == nil || len(p.byLink) >= maxPendingUses {
		p.byLink = map[string]int{}
	}
	p.byLink[link]++
}

func (p *pendingUses) take(link string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.byLink[link]
	delete(p.byLink, link)
	return n
}

// sharedTrack serves an MP3 of a link.
func (s *Service) sharedTrack(w http.ResponseWriter, r *http.Request) error {
	guardShared(w)
	return s.serveTrack(w, r, func() (sx.Job, error) {
		j, _, err := s.shared(r)
		return j, err
	})
}

// sharedArchive serves all MP3s of a link, which counts as a use of it. The directories of
// the source are the owner's.
func (s *Service) sharedArchive(w http.ResponseWriter, r *http.Request) error {
	guardShared(w)
	j, err := s.openShare(r)
	if err != nil {
		return err
	}
	var a archive
	if err := a.add(j, path.Base(j.Sent.Name)); err != nil {
		return err
	}
	return s.sendArchive(w, r, a, sharedName(j)+".zip")
}

// sharedName returns what a link calls the job: the name of the source without its directory
// and extension.
func sharedName(j sx.Job) string { return strings.TrimSuffix(sx.MP3Name(j.Sent.Name), ".mp3") }

// guardShared sets the headers that keep a link from other sites, search engines and caches.
func guardShared(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cache-Control", "private, no-store")
}
