package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// maxServerURL is more than any address of a server has, in bytes.
const maxServerURL = 500

// createFeed creates a podcast feed of the caller.
func (s *Service) createFeed(w http.ResponseWriter, r *http.Request) error {
	var in api.NewFeed
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	made, err := newFeed(in)
	if err != nil {
		return err
	}
	by := owner(r.Context())
	secret := token.NewSecret(api.FeedPrefix, by)
	made.ID, made.Hash, made.Created = sx.NewID(), token.Hash(secret), s.cfg.Now()
	if err := s.changeFeeds(r, func(f *sx.Feeds) error { return f.Add(made) }); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "feed created", "feed", made.ID, "owner", by)
	api.Write(w, http.StatusCreated, api.CreatedFeed{Feed: api.FromFeed(made), Path: feedPath(secret)})
	return nil
}

func feedPath(secret string) string {
	return strings.Replace(api.PathFeedXML, "{secret}", secret, 1)
}

// newFeed checks a request for a feed.
func newFeed(in api.NewFeed) (f sx.Feed, err error) {
	f.Name = strings.TrimSpace(in.Name)
	if f.Name == "" || len(f.Name) > sx.MaxFeedName || f.Name != sx.CleanLine(f.Name, sx.MaxFeedName) {
		return f, sx.NewError(sx.CodeInvalid, "invalid name of a feed %q", sx.CleanLine(in.Name, sx.MaxFeedName)).
			WithHint("use one line of up to %d bytes", sx.MaxFeedName)
	}
	if in.Label != "" {
		labels, err := sx.Labels([]string{in.Label})
		if err != nil {
			return f, err
		}
		f.Label = labels[0]
	}
	if f.Folder, err = sx.FeedFolder(in.Folder); err != nil {
		return f, err
	}
	u, err := url.Parse(in.Server)
	if err != nil || len(in.Server) > maxServerURL || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return f, sx.NewError(sx.CodeInvalid, "the server of a feed is not a URL").
			WithHint("specify the address by which feed readers reach this server, such as https://sx.example.org")
	}
	f.Server = strings.TrimRight(u.String(), "/")
	return f, nil
}

// listFeeds lists the feeds of the caller.
func (s *Service) listFeeds(w http.ResponseWriter, r *http.Request) error {
	feeds, err := s.cfg.Feeds.Get(r.Context(), owner(r.Context()))
	if err != nil {
		return err
	}
	out := api.FeedList{Feeds: make([]api.Feed, len(feeds.List))}
	for i, f := range feeds.List {
		out.Feeds[i] = api.FromFeed(f)
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

// revokeFeed removes a feed of the caller.
func (s *Service) revokeFeed(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.changeFeeds(r, func(f *sx.Feeds) error { return f.Remove(id) }); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "feed revoked", "feed", id, "owner", owner(r.Context()))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) changeFeeds(r *http.Request, change func(*sx.Feeds) error) error {
	_, err := store.Update(r.Context(), owner(r.Context()), s.cfg.Feeds.Get, s.cfg.Feeds.Replace, change)
	return err
}

// feedOf returns the feed that the request's secret opens, and its owner. The error for a
// feed that does not work is the same whatever the reason.
func (s *Service) feedOf(r *http.Request) (by string, f sx.Feed, err error) {
	bad := sx.NewError(sx.CodeNotFound, "this feed does not work: its address is incomplete, or it was revoked").
		WithHint("copy all of the address, or create the feed again")
	secret := r.PathValue("secret")
	by = token.SecretID(api.FeedPrefix, secret)
	if by == "" {
		return "", sx.Feed{}, bad
	}
	feeds, err := s.cfg.Feeds.Get(r.Context(), by)
	if err != nil {
		return "", sx.Feed{}, err
	}
	f, ok := feeds.ByHash(token.Hash(secret))
	if !ok {
		return "", sx.Feed{}, bad
	}
	active, err := s.active(r.Context(), by)
	if err == nil && !active {
		err = bad
	}
	return by, f, err
}

// feedJob returns the job that the request names, if the feed shows it.
func (s *Service) feedJob(r *http.Request) (sx.Job, error) {
	by, f, err := s.feedOf(r)
	if err != nil {
		return sx.Job{}, err
	}
	gone := sx.NewError(sx.CodeNotFound, "the feed has no such MP3").WithHint("update the feed")
	j, err := s.cfg.Jobs.Get(r.Context(), r.PathValue("job"))
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound, err == nil && (j.Owner != by || !f.Shows(&j)):
		return sx.Job{}, gone
	default:
		return j, err
	}
}
