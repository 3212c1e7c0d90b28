// Package sx is the domain model of SoundExtract: users, files, tracks, jobs and
// their states, and errors. All services share it; it imports only the standard
// library.
package sx

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"
)

// NewID returns a random identifier of 16 lower-case base32 letters and digits
// (80 bits), safe in a URL, a file name and a shell.
func NewID() string { return strings.ToLower(rand.Text()[:16]) }

// IsID reports whether s has the form of the identifiers that NewID returns.
func IsID(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return len(s) == 16
}

// User is an account.
type User struct {
	ID   string
	Name string // unique; see UserName
	// PasswordHash is an argon2id hash in PHC string format.
	PasswordHash string
	Admin        bool
	Disabled     bool // may not sign in
	Erasing      bool // is being deleted and may not sign in; see Erasure
	// Epoch is incremented to end all sessions at once: a session of an earlier
	// epoch is invalid.
	Epoch int
	// Reset is the code with which a new password can be set; zero is none.
	Reset      ResetCode
	Invitation string // the ID of the invitation used to register, or ""
	// Binding is the ID of the Binding by which the user signs in through the
	// organisation; "" is none.
	Binding string
	// GroupAdminUntil is when the role of an administrator ends that a group of the
	// organisation gives; the sign-in that shows the group again puts it off.
	GroupAdminUntil time.Time
	// Networks are a few from which the user has signed in, the latest first.
	Networks []Network
	Created  time.Time
	Rev      int64 // see store.Users
}

// Blocked reports whether the user may not sign in.
func (u User) Blocked() bool { return u.Disabled || u.Erasing }

// ResetCode sets a new password once, in place of a forgotten one. Only its hash is
// stored.
type ResetCode struct {
	Hash    string // hex SHA-256 of the code
	Expires time.Time
}

// Network is a network from which a user has signed in.
type Network struct {
	Prefix string // in CIDR notation
	Seen   time.Time
}

// SessionKind says who holds the secret of a session.
type SessionKind string

// The kinds of sessions.
const (
	SessionTokens  SessionKind = ""        // a program: refresh tokens, of which each is used once
	SessionBrowser SessionKind = "browser" // a browser: a cookie, which stays the same
	SessionCode    SessionKind = "code"    // the holder of a code; the browser that sends it gets the session
	SessionDevice  SessionKind = "device"  // a program that waits until a browser approves its sign-in
)

// Session is one sign-in: a family of refresh tokens of which only the newest is
// valid, or a secret that stays the same. Only hashes are stored.
type Session struct {
	ID     string
	UserID string
	Kind   SessionKind
	// OwnerToken is the hex SHA-256 of the owner's token that started the session, which
	// ends with that token; "" if another credential did.
	OwnerToken string

	Epoch    int    // the user's epoch at sign-in
	Current  string // hex SHA-256 of the secret; of several, of the newest
	Previous string // of the one before, in case the response with the newest was lost
	// Renewal is the hex SHA-256 of the idempotency key of the request that replaced
	// Previous; "" if it had none.
	Renewal string
	Seal    string // hex key of the codes by which the session's refresh tokens are recognized
	Rotated time.Time
	Expires time.Time
	// Until is the latest end of a sign-in through the organisation, whose use does not put
	// it off; zero for other sign-ins.
	Until time.Time
	// Address is where the sign-in of a SessionDevice was requested.
	Address string
	Rev     int64
}

// Track is an MP3 produced by a job.
type Track struct {
	Number   int    // from 1, unique in its job
	ID       string // the key in the track store, see TrackID
	Name     string // the MP3's file name
	Size     int64  // bytes
	SHA256   string // lower-case hex
	Duration time.Duration
	// Title, Artist and Album are those of the MP3's tag, "" if it has none.
	Title, Artist, Album string
}

// MaxTracks is how many tracks a job may have. All of them are part of its record.
const MaxTracks = 255

// TrackID returns the key of the track with the number that an attempt produced.
func TrackID(job string, attempt, number int) string {
	id := job + "-" + strconv.Itoa(attempt)
	if number > 1 { // the first track keeps the ID that it has in releases with a single track
		id += "." + strconv.Itoa(number)
	}
	return id
}

// EditedTrackID returns a new key for the edited form of a track that an attempt
// produced.
func EditedTrackID(id string, now time.Time) string {
	job, made, _ := cutTrackID(id)
	return job + "-" + made + "-" + strconv.FormatInt(now.UnixMilli(), 36) + NewID()[:8]
}

// TrackOrigin returns the attempt that produced the track with the ID, and when it was
// edited, the zero time if it was not. ok is false for another kind of ID.
func TrackOrigin(id string) (attempt int, edited time.Time, ok bool) {
	_, made, edit := cutTrackID(id)
	made, number, several := strings.Cut(made, ".")
	attempt, err := strconv.Atoi(made)
	if several && err == nil {
		_, err = strconv.Atoi(number)
	}
	if edit == "" || err != nil {
		return attempt, time.Time{}, err == nil
	}
	ms, err := strconv.ParseInt(edit[:max(0, len(edit)-8)], 36, 64)
	return attempt, time.UnixMilli(ms), err == nil
}

// cutTrackID returns the parts of a TrackID or EditedTrackID; made is the attempt, with the
// track's number if that is not 1.
func cutTrackID(id string) (job, made, edit string) {
	job, rest, _ := strings.Cut(id, "-")
	made, edit, _ = strings.Cut(rest, "-")
	return job, made, edit
}

// TrackJob returns the job's ID from a TrackID.
func TrackJob(id string) string {
	job, _, _ := strings.Cut(id, "-")
	return job
}
