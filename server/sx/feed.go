package sx

import (
	"slices"
	"strings"
	"time"
)

// Feeds are the podcast feeds of a user. Their key is the user's ID.
type Feeds struct {
	Owner string
	List  []Feed // at most MaxFeeds, the oldest first
	Rev   int64  // see store.Feeds
}

// Feed shows the newest MP3s of its owner to whoever knows its secret, of which only the
// hash is stored.
type Feed struct {
	ID   string
	Name string // unique among those of the owner
	// Label and Folder select the jobs: those that have the label, and whose video is in the
	// folder or below it. "" selects all.
	Label, Folder string
	Server        string // the URL by which feed readers reach the server, without a slash at its end
	Hash          string // hex SHA-256 of the secret
	Created       time.Time
}

// Limits of feeds.
const (
	MaxFeeds     = 20  // of a user
	MaxFeedName  = 100 // bytes
	MaxFeedItems = 100 // MP3s that a feed lists
)

// FeedFolder returns a folder as the names of videos have it. It returns an Error of code
// invalid for what is not a relative path with slashes.
func FeedFolder(folder string) (string, error) {
	folder = strings.TrimSuffix(folder, "/")
	if folder != "" && SourceName(folder) != folder {
		return "", NewError(CodeInvalid, "invalid folder %q", CleanLine(folder, MaxFeedName)).
			WithHint("use a path with slashes, as in the names of your videos, such as talks/2026")
	}
	return folder, nil
}

// Add adds a feed whose name is not in use.
func (f *Feeds) Add(feed Feed) error {
	if slices.ContainsFunc(f.List, func(old Feed) bool { return old.Name == feed.Name }) {
		return NewError(CodeConflict, "a feed named %s already exists", feed.Name).
			WithHint("choose another name, or revoke that feed first")
	}
	if len(f.List) >= MaxFeeds {
		return NewError(CodeConflict, "you have %d feeds, which is the maximum", MaxFeeds).WithHint("revoke one first")
	}
	f.List = append(slices.Clone(f.List), feed)
	return nil
}

// Remove removes a feed.
func (f *Feeds) Remove(id string) error {
	i := slices.IndexFunc(f.List, func(feed Feed) bool { return feed.ID == id })
	if i < 0 {
		return NewError(CodeNotFound, "feed %s not found", id).WithHint("list your feeds to see their IDs")
	}
	f.List = slices.Delete(slices.Clone(f.List), i, i+1)
	return nil
}

// ByHash returns the feed with the hash.
func (f Feeds) ByHash(hash string) (Feed, bool) {
	i := slices.IndexFunc(f.List, func(feed Feed) bool { return feed.Hash == hash })
	if i < 0 {
		return Feed{}, false
	}
	return f.List[i], true
}

// Show reports whether one of the feeds shows the MP3s of the job.
func (f Feeds) Show(j *Job) bool {
	return slices.ContainsFunc(f.List, func(feed Feed) bool { return feed.Shows(j) })
}

// Shows reports whether the feed shows the MP3s of the job of its owner.
func (f Feed) Shows(j *Job) bool {
	return j.State == StateDone && len(j.Tracks) > 0 &&
		(f.Label == "" || slices.Contains(j.Labels, f.Label)) &&
		(f.Folder == "" || strings.HasPrefix(j.Sent.Name, f.Folder+"/"))
}
