package standalone_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// shown is what people without an account reach by the secrets of links and feeds.
type shown struct {
	job        string            // alice's, which the link and the feed show
	link, feed string            // secrets
	badLinks   map[string]string // secrets that show nothing any more
	badFeeds   map[string]string
	hidden     string // a job of alice's that has no link, and that the feed does not select
}

// show converts sounds of the two accounts, and creates links and feeds, some of which it revokes.
func show(t *testing.T, url string, alice, gone api.Tokens) shown {
	t.Helper()
	hers, theirs := as(t, url, alice.AccessToken), as(t, url, gone.AccessToken)
	converted := func(of api.Tokens, labels ...string) string {
		t.Helper()
		j := convert(t, as(t, url, of.AccessToken), writeSound(t))
		if j.State != sx.StateDone {
			t.Fatalf("the job is %s: %v", j.State, j.Error)
		}
		if len(labels) > 0 {
			must(as(t, url, of.AccessToken).Edit(t.Context(), j.ID, api.JobEdit{AddLabels: labels}))(t)
		}
		return j.ID
	}
	feed := func(of api.Tokens, name string) api.CreatedFeed {
		t.Helper()
		return must(as(t, url, of.AccessToken).CreateFeed(t.Context(), api.NewFeed{Name: name, Server: url, Label: "public"}))(t)
	}
	secretOf := func(path string) string { return strings.Split(path, "/")[2] }
	s := shown{job: converted(alice, "public"), hidden: converted(alice)}
	link, revoked := must(hers.CreateShare(t.Context(), s.job, api.NewShare{}))(t), must(hers.CreateShare(t.Context(), s.job, api.NewShare{}))(t)
	lost := converted(alice)
	deleted := must(hers.CreateShare(t.Context(), lost, api.NewShare{}))(t)
	disabled := must(theirs.CreateShare(t.Context(), converted(gone, "public"), api.NewShare{}))(t)
	kept, ended := feed(alice, "shown"), feed(alice, "ended")
	s.link, s.feed = secretOf(link.Path), secretOf(kept.Path)
	s.badLinks = map[string]string{
		"a revoked link": secretOf(revoked.Path), "the link of a deleted job": secretOf(deleted.Path),
		"a disabled user's link": secretOf(disabled.Path), "a feed's secret": s.feed, "a personal token": token.NewSecret(api.TokenPrefix, s.job),
		"an incomplete link": s.link[:len(s.link)-1], "another secret of the job": token.NewSecret(api.SharePrefix, s.job),
		"a secret of the other job": token.NewSecret(api.SharePrefix, s.hidden), "the job's ID": s.job,
	}
	s.badFeeds = map[string]string{
		"a revoked feed": secretOf(ended.Path), "a disabled user's feed": secretOf(feed(gone, "theirs").Path),
		"a link's secret": s.link, "an incomplete feed": s.feed[:len(s.feed)-1], "a feed of nobody": token.NewSecret(api.FeedPrefix, sx.NewID()),
	}
	if err := errors.Join(hers.RevokeShare(t.Context(), s.job, revoked.ID), hers.Remove(t.Context(), lost), hers.RevokeFeed(t.Context(), ended.ID)); err != nil {
		t.Fatal(err)
	}
	return s
}

// writeSound writes half a second of silence as WAV and returns its path.
func writeSound(t *testing.T) string {
	t.Helper()
	const header = "RIFF\xa4\x3e\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x80\x3e\x00\x00"
	path := filepath.Join(t.TempDir(), "talk.wav")
	if err := os.WriteFile(path, append([]byte(header), make([]byte, 16000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// check tries an operation that needs the secret of a link or of a feed with right and wrong
// ones, and returns how many it tried. Other credentials make no difference.
func (s shown) check(t *testing.T, url string, o operation, p users) (tried int) {
	t.Helper()
	if !strings.Contains(o.path, "{secret}") {
		return 0
	}
	secret, bad := s.link, s.badLinks
	if strings.HasPrefix(o.path, "/f/") {
		secret, bad = s.feed, s.badFeeds
	}
	try := func(what, secret, job, token string, status int, headers ...string) {
		t.Helper()
		tried++
		o.secret, o.job = secret, job
		if got, code := request(t, url, token, o, s.job, headers...); got != status || status == http.StatusNotFound && code != sx.CodeNotFound {
			t.Errorf("%s %s with %s: %d %s, want %d", o.method, o.path, what, got, code, status)
		}
	}
	try("the secret", secret, s.job, "", http.StatusOK)
	try("the secret, from another site", secret, s.job, "", http.StatusOK, "Sec-Fetch-Site", "cross-site", "Cookie", p.browser)
	for what, wrong := range bad {
		try(what, wrong, s.job, "", http.StatusNotFound)
		try(what+" and its owner's token", wrong, s.job, p.alice.AccessToken, http.StatusNotFound)
	}
	if strings.Contains(o.path, "{job}") {
		try("a job that the feed does not select", secret, s.hidden, "", http.StatusNotFound)
		try("another's job", secret, p.job, "", http.StatusNotFound)
	}
	return tried
}
