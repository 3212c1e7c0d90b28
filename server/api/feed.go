package api

import (
	"time"

	"github.com/soundextract/sx/server/sx"
)

// The paths of podcast feeds. {id} is a feed's ID, {secret} its secret, which starts with
// FeedPrefix and must not be logged. {job} is a job that the feed shows, and {number} the
// track's.
const (
	PathFeeds = "/v1/feeds"      // GET: FeedList, POST NewFeed: CreatedFeed
	PathFeed  = "/v1/feeds/{id}" // DELETE: 204

	PathFeedXML      = "/f/{secret}/feed.xml"                     // GET: RSS; these need no token
	PathFeedArtwork  = "/f/{secret}/artwork.png"                  // GET: the picture of the feed
	PathFeedTrack    = "/f/{secret}/{job}/{number}/audio.mp3"     // GET: an MP3, as PathTrack
	PathFeedChapters = "/f/{secret}/{job}/{number}/chapters.json" // GET: its chapters
	PathFeedCover    = "/f/{secret}/{job}/{number}/cover"         // GET: its cover, or the picture of the feed
)

// FeedPaths is the beginning of all paths that have the secret of a feed.
const FeedPaths = "/f/"

// NewFeed describes a feed to be created.
type NewFeed struct {
	Name   string `json:"name"`
	Label  string `json:"label,omitempty"`  // show jobs with this label; "" is all
	Folder string `json:"folder,omitempty"` // show jobs whose video is in this folder; "" is all
	// Server is the URL by which feed readers reach the server. The addresses in the feed
	// begin with it.
	Server string `json:"server"`
}

// Feed is a podcast feed of the newest MP3s.
type Feed struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Label   string    `json:"label,omitempty"`
	Folder  string    `json:"folder,omitempty"`
	Server  string    `json:"server"`
	Created time.Time `json:"created"`
}

// CreatedFeed is a new feed. Its path has the secret, which cannot be shown again.
type CreatedFeed struct {
	Feed

	Path string `json:"path"` // on the server
}

// FeedList lists the feeds of a user, the oldest first.
type FeedList struct {
	Feeds []Feed `json:"feeds"`
}

// FromFeed converts a feed to its wire format.
func FromFeed(f sx.Feed) Feed {
	return Feed{ID: f.ID, Name: f.Name, Label: f.Label, Folder: f.Folder, Server: f.Server, Created: f.Created.UTC()}
}
