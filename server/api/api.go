// Package api defines the wire format of SoundExtract's HTTP API: paths, JSON
// bodies and errors. The OpenAPI document (openapi.yaml), which the server serves,
// describes the same for users of the API.
//
// Sizes are in bytes, times in RFC 3339 format in UTC, durations in seconds,
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

// The paths of the API. {id} is a job's ID.
const (
	PathRegister = "/v1/auth/register" // GET: Registration; POST Credentials: Tokens
	PathLogin    = "/v1/auth/login"    // POST Credentials: Tokens
	PathRefresh  = "/v1/auth/refresh"  // POST RefreshRequest: Tokens
	PathLogout   = "/v1/auth/logout"   // POST RefreshRequest: 204
	PathMe       = "/v1/auth/me"       // GET: Me
	PathKeys     = "/v1/auth/keys"     // GET: JSON Web Key Set (RFC 7517)

	PathUploads = "/v1/uploads/" // tus 1.0; an upload is PathUploads + id

	PathJobs    = "/v1/jobs"                      // GET: JobList; POST a file, with the keys of metadata in the query: Job
	PathJob     = "/v1/jobs/{id}"                 // GET: Job; PATCH JobEdit: Job; DELETE: 204
	PathCancel  = "/v1/jobs/{id}/cancel"          // POST: Job
	PathRetry   = "/v1/jobs/{id}/retry"           // POST: Job
	PathTrack   = "/v1/jobs/{id}/tracks/{number}" // GET, HEAD: an MP3; supports ranges
	PathArchive = "/v1/tracks.zip"                // GET: the MP3s of the jobs given by QueryID
	PathEvents  = "/v1/events"                    // GET: server-sent events

	PathLookup = "/v1/conversions/lookup" // POST Lookup: LookupResult
	PathUsage  = "/v1/usage"              // GET: Usage

	PathOpenAPI = "/v1/openapi.yaml"
	PathHealth  = "/healthz"
	PathReady   = "/readyz"
	PathMetrics = "/metrics"
)

// HeaderRequestID carries the request ID that logs include; the server generates
// one if the request has none.
const HeaderRequestID = "X-Request-Id"

// HeaderIdempotencyKey names a request that creates a job, so that it creates one job however
// often it is sent (draft-ietf-httpapi-idempotency-key-header).
const HeaderIdempotencyKey = "Idempotency-Key"

// Keys of tus Upload-Metadata that the gateway reads; filename is required.
const (
	MetaFilename      = "filename"
	MetaPreset        = "preset"
	MetaBitrate       = "bitrate"
	MetaQuality       = "quality"
	MetaMono          = "mono" // "true" or "false"
	MetaTrack         = "track"
	MetaKeepAllTags   = "keep_all_tags"  // "true" or "false"
	MetaStart         = "start"          // seconds
	MetaEnd           = "end"            // seconds
	MetaLoudness      = "loudness"       // "auto" or a number of LUFS
	MetaSplitChapters = "split_chapters" // "true" or "false"
	MetaSplitEvery    = "split_every"    // seconds
	MetaTitle         = "title"
	MetaArtist        = "artist"
	MetaAlbum         = "album"
	MetaLabels        = "labels"      // separated by commas
	MetaPriority      = "priority"    // "normal" or "low"; see sx.Priority
	MetaAudioOnly     = "audio_only"  // "true" or "false"; see sx.Sent
	MetaSourceSize    = "source_size" // bytes of the source, if its audio only is sent
	MetaIdentity      = "identity"    // see sx.Source
	MetaSources       = "sources"     // JSON: the files that are joined, as Source with name, size and sent
)

// Credentials are used to register and to sign in.
type Credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	// Invitation is the code of an invitation; used only to register, on servers
	// that require one.
	Invitation string `json:"invitation,omitempty"`
}

// Registration says who may create an account, and how people sign in.
type Registration struct {
	Mode string `json:"mode"` // one of the constants below
	// Passwords is false if accounts sign in through the organisation only; those that the
	// server's settings name keep their passwords.
	Passwords bool `json:"passwords"`
	// Organisation reports whether people can sign in through their organisation.
	Organisation bool `json:"organisation"`
	// SignOutURL is the page of the organisation's provider that ends its own sign-in; "" if
	// it has none or is not known yet.
	SignOutURL string `json:"sign_out_url,omitempty"`
}

// The values of Registration.Mode. The administrator named in the server's settings can
// create an account in any mode, with the code from the installation as the invitation.
const (
	RegistrationOpen       = "open"       // everyone
	RegistrationInvitation = "invitation" // those with an invitation
	RegistrationClosed     = "closed"     // nobody
)

// MinPassword and MaxPassword limit the length of a password in bytes (NIST SP
// 800-63B section 3.1.1.2: at least 8 characters, long ones allowed).
const (
	MinPassword = 8
	MaxPassword = 1024
)

// Tokens is the response to a sign-in.
type Tokens struct {
	AccessToken  string `json:"access_token"` // a JWT, sent as Authorization: Bearer
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"` // seconds until the access token expires
	User         User   `json:"user"`
}

// RefreshRequest identifies the session to continue or to end.
type RefreshRequest struct {
	RefreshToken string `json:"refresh_token"`
	// IdempotencyKey is a secret that the client chooses and stores before it asks for new
	// tokens. With the same one, it can repeat the request, because the response was lost,
	// until it uses the new refresh token; without one, for a minute.
	IdempotencyKey string `json:"idempotency_key,omitempty"`
}

// User is an account.
type User struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Admin    bool      `json:"admin,omitempty"`
	Disabled bool      `json:"disabled,omitempty"`
	Linked   bool      `json:"linked,omitempty"`   // can sign in through the organisation
	Deleting bool      `json:"deleting,omitempty"` // is being deleted and may not sign in
	Created  time.Time `json:"created"`
}

// Job is a job as its owner sees it.
type Job struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"` // the video's file name
	State sx.State `json:"state"`
	// Progress is the percentage of bytes stored while uploading, of sound
	// converted while running, and 100 when done.
	Progress  float64   `json:"progress"`
	Remaining float64   `json:"remaining,omitempty"` // estimated seconds left
	Attempt   int       `json:"attempt"`
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"`
	Error     *Error    `json:"error,omitempty"`
	Options   Options   `json:"options"`
	Sent      Sent      `json:"sent"`
	// Sources are the files from which Sent was made. In JSON this list and those
	// below are never null: an empty list is [].
	Sources  []Source    `json:"sources"`
	Tracks   []Track     `json:"tracks"`             // the MP3s, once the job is done
	Priority sx.Priority `json:"priority,omitempty"` // absent if it is normal
	Labels   []string    `json:"labels"`
	Warnings []Warning   `json:"warnings"`

	VideoDeleted bool    `json:"video_deleted,omitempty"` // after its retention period
	Shares       []Share `json:"shares,omitempty"`        // links to the MP3s; see PathShares
	// DeleteVideoAt and DeleteAt are when the video, and the job with its MP3, will be
	// deleted; nil if that is not planned.
	DeleteVideoAt *time.Time `json:"delete_video_at,omitempty"`
	DeleteAt      *time.Time `json:"delete_at,omitempty"`

	// History is only in the response for one job and in those for administrators.
	History *History `json:"history,omitempty"`
}

// Track returns the track with the given number, or nil.
func (j Job) Track(number int) *Track {
	for i := range j.Tracks {
		if j.Tracks[i].Number == number {
			return &j.Tracks[i]
		}
	}
	return nil
}

// Options are the encoding options of a job; see sx.Options.
type Options struct {
	Preset        sx.Preset `json:"preset,omitempty"`
	Bitrate       int       `json:"bitrate,omitempty"`
	Quality       *int      `json:"quality,omitempty"`
	Mono          bool      `json:"mono,omitempty"`
	Track         string    `json:"track,omitempty"`
	KeepAllTags   bool      `json:"keep_all_tags,omitempty"`
	Start         float64   `json:"start,omitempty"` // seconds
	End           float64   `json:"end,omitempty"`   // seconds
	Loudness      string    `json:"loudness,omitempty"`
	SplitChapters bool      `json:"split_chapters,omitempty"`
	SplitEvery    float64   `json:"split_every,omitempty"` // seconds
	Title         string    `json:"title,omitempty"`
	Artist        string    `json:"artist,omitempty"`
	Album         string    `json:"album,omitempty"`
}

// Sent is what was uploaded.
type Sent struct {
	Name      string `json:"name"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256,omitempty"` // set once all bytes are stored
	AudioOnly bool   `json:"audio_only"`       // otherwise the whole file
}

// Source is a file of the user's.
type Source struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256,omitempty"`   // of the whole file, if all of it was sent
	Identity string `json:"identity,omitempty"` // see sx.Source
	Sent     int64  `json:"sent,omitempty"`     // bytes sent of it, if several files are joined
}

// Warning describes an unexpected property of the result.
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
	// The texts of its tag; "" if it has none.
	Title  string `json:"title,omitempty"`
	Artist string `json:"artist,omitempty"`
	Album  string `json:"album,omitempty"`
}

// JobEdit changes a job. In the MP3's tag, nil leaves a text as it is and "" removes
// it; the job must be done then.
type JobEdit struct {
	// Number is that of the MP3 whose tag is changed; 0 means all MP3s of the job. A title is
	// that of one MP3.
	Number       int      `json:"number,omitempty"`
	Title        *string  `json:"title,omitempty"`
	Artist       *string  `json:"artist,omitempty"`
	Album        *string  `json:"album,omitempty"`
	AddLabels    []string `json:"add_labels,omitempty"`
	RemoveLabels []string `json:"remove_labels,omitempty"`
}

// Usage is what the account uses, and the limits that apply to it.
type Usage struct {
	Bytes   int64  `json:"bytes"`   // of videos and MP3s, stored or reserved
	Uploads int    `json:"uploads"` // unfinished
	Today   int    `json:"today"`   // jobs created on this UTC day
	Limits  Limits `json:"limits"`  // all of them
}

// Limits are what an account may use, and how long its data is kept.
type Limits struct {
	// 0 is no limit.
	Bytes      *int64 `json:"bytes,omitempty"`
	Uploads    *int   `json:"uploads,omitempty"`
	JobsPerDay *int   `json:"jobs_per_day,omitempty"`
	// In seconds; 0 is forever.
	KeepVideos *int64 `json:"keep_videos,omitempty"`
	KeepFailed *int64 `json:"keep_failed,omitempty"`
	KeepTracks *int64 `json:"keep_tracks,omitempty"`
}

// JobList is one page of jobs, newest first.
type JobList struct {
	Jobs []Job `json:"jobs"`
	// Next is the value of QueryAfter for the next page; "" on the last page. A page
	// that is not the last one may have fewer jobs than requested, even none, because
	// the server examines a bounded number of jobs for each.
	Next string `json:"next,omitempty"`
}

// Query parameters of PathJobs and PathEvents.
const (
	QueryState  = "state"  // can be repeated
	QueryID     = "id"     // can be repeated, at most MaxIDs times
	QueryName   = "name"   // part of the file name
	QueryLabel  = "label"  // can be repeated: a job has all of them
	QueryShared = "shared" // "true": jobs with links
	QueryLimit  = "limit"  // 1 to MaxLimit
	QueryAfter  = "after"
)

// Limits of one request.
const (
	DefaultLimit = 50
	MaxLimit     = 500
	MaxIDs       = 100
)

// The events of PathEvents. The stream reports changes of the jobs given by
// QueryID. The ID of an event is the comma-separated list of the jobs' revisions
// in the same order: if it is sent back as Last-Event-ID, only later changes are
// sent. The server sends a comment line every KeepAlive.
const (
	EventJob = "job" // data: Job, the complete job after a change
	EventEnd = "end" // data: {}; every job has finished or was deleted: the stream ends
	// EventGone reports that a job does not exist or was deleted. data: {"id": …}
	EventGone = "gone"
	// EventReconnect reports that the request's credential has expired or was revoked.
	// data: {}. The stream ends, and can be continued with a valid credential.
	EventReconnect = "reconnect"
)

// KeepAlive is the interval of comment lines in the event stream. A client that
// receives nothing for three times as long should poll instead.
const KeepAlive = 3 * time.Second

// Health is the response of PathHealth and PathReady.
type Health struct {
	Status string `json:"status"` // "ok", or the reason why the process is not ready
	// Degraded names the dependencies that a ready process cannot reach at present.
	Degraded string `json:"degraded,omitempty"`
	Instance string `json:"instance"` // random, different after each start of the process
	Version  string `json:"version"`
}
