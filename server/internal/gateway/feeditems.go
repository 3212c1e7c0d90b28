package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// maxFeedPages is how many pages of the store are read for a feed. With a label or a folder,
// each is of store.MaxExamined jobs, of which the feed may show few.
const maxFeedPages = 5

// How often a feed is read is limited, because each request reads the jobs. It is not limited
// by address: an audience may have the same one.
const (
	readBurst    = 60
	readInterval = time.Second
)

// feedItem is an MP3 in a feed.
type feedItem struct {
	job   sx.Job
	track sx.Track
}

// feedItems returns the newest MP3s that the feed shows, the newest first.
func (s *Service) feedItems(ctx context.Context, by string, f sx.Feed) ([]feedItem, error) {
	filter := store.JobFilter{Owner: by, States: []sx.State{sx.StateDone}, Limit: sx.MaxFeedItems}
	if f.Label != "" {
		filter.Labels = []string{f.Label}
	}
	if f.Folder != "" {
		filter.Name = f.Folder + "/"
	}
	var items []feedItem
	for range maxFeedPages {
		list, next, err := s.cfg.Jobs.List(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, j := range list {
			if !f.Shows(&j) {
				continue
			}
			for _, t := range j.Tracks {
				if items = append(items, feedItem{j, t}); len(items) == sx.MaxFeedItems {
					return items, nil
				}
			}
		}
		if filter.After = next; next == nil {
			break
		}
	}
	return items, nil
}

// serveFeed serves a feed as RSS.
func (s *Service) serveFeed(w http.ResponseWriter, r *http.Request) error {
	guardShared(w)
	by, f, err := s.feedOf(r)
	if err != nil {
		return err
	}
	if wait := s.feedReads.Reserve(f.ID, s.cfg.Now()); wait > 0 {
		return sx.NewError(sx.CodeTooManyAttempts, "the feed was read too often").WithRetryAfter(wait).WithHint("try again in a minute")
	}
	leave, err := s.large.Enter(r.Context(), f.ID) // its readers must not keep the owner waiting
	if err != nil {
		return err
	}
	defer leave()
	items, err := s.feedItems(r.Context(), by, f)
	if err != nil {
		return err
	}
	changed := f.Created
	for _, i := range items {
		if i.job.Updated.After(changed) {
			changed = i.job.Updated
		}
	}
	doc, err := feedXML(by, f, r.PathValue("secret"), items, changed)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/rss+xml; charset=utf-8")
	return s.serveBytes(w, r, doc, changed)
}

// What is sent from memory is bounded, because many clients may read it slowly: in total,
// and in how long one may take.
const (
	maxSending  = 32 << 20 // bytes
	sendTimeout = 30 * time.Second
	sendRate    = 32 << 10 // bytes for which a client has another second
	sendWait    = 10 * time.Second
)

// serveBytes serves a part of a feed that is in memory.
func (s *Service) serveBytes(w http.ResponseWriter, r *http.Request, content []byte, changed time.Time) error {
	size := min(int64(len(content)), maxSending)
	ctx, cancel := context.WithTimeout(r.Context(), sendWait)
	defer cancel()
	if err := s.sending.Acquire(ctx, size); err != nil {
		return sx.NewError(sx.CodeUnavailable, "too many clients are reading feeds at the moment").WithCause(err)
	}
	defer s.sending.Release(size)
	// Only a connection has deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sendTimeout + time.Duration(size)*time.Second/sendRate))
	servePart(w, r, bytes.NewReader(content), sha256.Sum256(content), changed)
	return nil
}

// servePart serves a part of a feed. A client may keep it, but asks each time whether it has
// changed; http.ServeContent answers that by ETag and Last-Modified.
func servePart(w http.ResponseWriter, r *http.Request, content io.ReadSeeker, digest [sha256.Size]byte, changed time.Time) {
	h := w.Header()
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+hex.EncodeToString(digest[:])+`"`)
	http.ServeContent(w, r, "", changed, content)
}
