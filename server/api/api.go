// Package api is the wire format of SoundExtract's HTTP API: the JSON bodies,
// the paths and the form of errors. The served
// OpenAPI document (openapi.yaml) describes the same for everyone else.
//
// Sizes are in bytes, times in RFC 3339 with UTC, durations in seconds,
// progress in percent.
package api

import (
	_ "embed"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// OpenAPI is the OpenAPI 3.1 document of the API, in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte

// The paths of the API. {id} stands for a job's id.
const (
	PathRegister = "/v1/auth/register" // POST Credentials: Tokens
	PathLogin    = "/v1/auth/login"    // POST Credentials: Tokens
	PathRefresh  = "/v1/auth/refresh"  // POST RefreshRequest: Tokens
	PathLogout   = "/v1/auth/logout"   // POST RefreshRequest: 204
	PathMe       = "/v1/auth/me"       // GET: User
	PathKeys     = "/v1/auth/keys"     // GET: JSON Web Key Set (RFC 7517)

	PathUploads = "/v1/uploads/" // tus 1.0; an upload is PathUploads + id

	PathJobs   = "/v1/jobs"                      // GET: JobList
	PathJob    = "/v1/jobs/{id}"                 // GET: Job; DELETE: 204
	PathCancel = "/v1/jobs/{id}/cancel"          // POST: Job
	PathRetry  = "/v1/jobs/{id}/retry"           // POST: Job
	PathTrack  = "/v1/jobs/{id}/tracks/{number}" // GET, HEAD: an MP3 of the job, with ranges
	PathEvents = "/v1/events"                    // GET: server-sent events

	PathOpenAPI = "/v1/openapi.yaml"
	PathHealth  = "/healthz"
	PathReady   = "/readyz"
	PathMetrics = "/metrics"
)

// HeaderRequestID carries the id that logs name; the server makes one when the
// request has none.
const HeaderRequestID = "X-Request-Id"

// Keys of tus Upload-Metadata that the gateway reads; filename is required.
const (
	MetaFilename = "filename"
	MetaPreset   = "preset"
	MetaBitrate  = "bitrate"
	MetaQuality  = "quality"
	MetaMono     = "mono" // "true" or "false"
	MetaTrack    = "track"
)

// Credentials are what one registers and signs in with.
type Credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	// Invitation is the code of an invitation, to register where one is asked for.
	Invitation string `json:"invitation,omitempty"`
}

// MinPassword and MaxPassword bound a password's length in bytes (NIST SP
// 800-63B section 3.1.1.2: at least 8 characters, long ones allowed).
const (
	MinPassword = 8
	MaxPassword = 1024
)

// Tokens are what a sign-in gives.
type Tokens struct {
	AccessToken  string `json:"access_token"` // a JWT, sent as Authorization: Bearer
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"` // seconds until the access token ends
	User         User   `json:"user"`
}

// RefreshRequest names the sign-in to go on with, or to end.
type RefreshRequest struct {
	RefreshToken string `json:"refresh_token"`
}

// User is an account.
type User struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Admin    bool      `json:"admin,omitempty"`
	Disabled bool      `json:"disabled,omitempty"`
	Created  time.Time `json:"created"`
}

// Job is a job as its owner sees it.
type Job struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"` // the video's file name
	State sx.State `json:"state"`
	// Progress is of what the state is about: bytes stored while uploading,
	// sound converted while running, 100 when done.
	Progress  float64   `json:"progress"`
	Remaining float64   `json:"remaining,omitempty"` // estimated seconds left
	Attempt   int       `json:"attempt"`
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"`
	Error     *Error    `json:"error,omitempty"`
	// Sent is what was uploaded.
	Sent File `json:"sent"`
	// Sources are the files that it comes from. This list and those below are
	// never null: an empty one is [].
	Sources  []File    `json:"sources"`
	Tracks   []Track   `json:"tracks"` // the MP3s, once the job is done
	Labels   []string  `json:"labels"`
	Warnings []Warning `json:"warnings"`
}

// Track is the track of the number, nil if the job has none.
func (j Job) Track(number int) *Track {
	for i := range j.Tracks {
		if j.Tracks[i].Number == number {
			return &j.Tracks[i]
		}
	}
	return nil
}

// File is a file by its name and content.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // of what was sent, once all bytes are stored
}

// Warning says what is not as expected about the result.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Track is an MP3.
type Track struct {
	Number   int     `json:"number"` // from 1; see PathTrack
	Name     string  `json:"name"`   // the MP3's file name
	Size     int64   `json:"size"`
	SHA256   string  `json:"sha256"`
	Duration float64 `json:"duration"` // seconds
}

// JobList is one page of jobs, newest first.
type JobList struct {
	Jobs []Job `json:"jobs"`
	// Next is what to send as "after" for the next page; "" on the last.
	Next string `json:"next,omitempty"`
}

// Query parameters of PathJobs and PathEvents.
const (
	QueryState = "state" // may be repeated
	QueryID    = "id"    // may be repeated, MaxIDs at most
	QueryName  = "name"  // part of the file name
	QueryLimit = "limit" // 1 to MaxLimit
	QueryAfter = "after"
)

// Limits of one request.
const (
	DefaultLimit = 50
	MaxLimit     = 500
	MaxIDs       = 100
)

// The events of PathEvents. The stream watches the jobs given by QueryID, in
// that order. Each event's id is the list of the jobs' revisions in the same
// order, joined by commas: sent back as Last-Event-ID, only what changed since
// is sent again. A comment line every few seconds shows that the stream is alive.
const (
	EventJob = "job" // data: Job, the whole job after a change
	EventEnd = "end" // data: {}; every watched job is final or gone: the stream is over
	// EventGone says that a watched job does not exist (any more). data: {"id": …}
	EventGone = "gone"
)

// KeepAlive is how often the event stream shows that it is alive. A client that
// sees nothing for three times as long should poll instead.
const KeepAlive = 3 * time.Second

// Health is the answer of PathHealth and PathReady.
type Health struct {
	Status   string `json:"status"`   // "ok", or the reason why not
	Instance string `json:"instance"` // random, new at each start of the process
	Version  string `json:"version"`
}
