package api

import (
	"time"

	"github.com/soundextract/sx/server/sx"
)

// The paths of links. {share} is a link's ID, {secret} its secret, which starts with
// SharePrefix and must not be logged.
const (
	PathShares        = "/v1/jobs/{id}/shares"         // POST NewShare: CreatedShare
	PathShare         = "/v1/jobs/{id}/shares/{share}" // DELETE: 204
	PathSharePage     = "/s/{secret}"                  // GET: a page for browsers; needs no token
	PathSharedArchive = "/s/{secret}/tracks.zip"       // GET: all MP3s in a ZIP archive; needs no token
	PathSharedTrack   = "/s/{secret}/{number}"         // GET: an MP3, as PathTrack; needs no token
)

// SharedPaths is the beginning of all paths that have the secret of a link.
const SharedPaths = "/s/"

// PathActive is internal, as PathExchange: the gateway asks whether an account can be used.
const PathActive = "/v1/auth/active" // POST ActiveRequest: Active

// ActiveRequest asks whether the account exists and is not disabled.
type ActiveRequest struct {
	UserID string `json:"user_id"`
}

// Active is the response to an ActiveRequest.
type Active struct {
	Active bool `json:"active"`
}

// The lifetime of links.
const (
	DefaultShareLife = 7 * 24 * time.Hour
	MaxShareLife     = 366 * 24 * time.Hour
)

// NewShare describes a link to be created.
type NewShare struct {
	ExpiresIn int `json:"expires_in,omitempty"` // seconds; 0 means DefaultShareLife
}

// Share is a link to the MP3s of a job.
type Share struct {
	ID      string     `json:"id"`
	Created time.Time  `json:"created"`
	Expires time.Time  `json:"expires"`
	Uses    int        `json:"uses"` // how often its page was opened, or its archive downloaded
	Used    *time.Time `json:"used,omitempty"`
}

// CreatedShare is a new link. Its path has the secret, which cannot be shown again.
type CreatedShare struct {
	Share

	Path string `json:"path"` // on this server
}

// FromShare converts a link to its wire format.
func FromShare(s sx.Share) Share {
	return Share{ID: s.ID, Created: s.Created.UTC(), Expires: s.Expires.UTC(), Uses: s.Uses, Used: optional(s.Used)}
}
