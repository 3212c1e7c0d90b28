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

// User is an account.
type User struct {
	ID   string
	Name string // unique; see UserName
	// PasswordHash is an argon2id hash in PHC string format.
	PasswordHash string
	Admin        bool
	Disabled     bool // may not sign in
	// Epoch is incremented to end all sessions at once: a session of an earlier
	// epoch is invalid.
	Epoch      int
	Invitation string // the ID of the invitation used to register, or ""
	Created    time.Time
	Rev        int64 // see store.Users
}

// Session is one sign-in: a family of refresh tokens of which only the newest is
// valid. Only hashes are stored.
type Session struct {
	ID       string
	UserID   string
	Epoch    int    // the user's epoch at sign-in
	Current  string // hex SHA-256 of the newest refresh token
	Previous string // of the one before, in case the response with the newest was lost
	Rotated  time.Time
	Expires  time.Time
	Rev      int64
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

// TrackID returns the key of the track produced by an attempt.
func TrackID(job string, attempt int) string { return job + "-" + strconv.Itoa(attempt) }

// EditedTrackID returns a new key for the edited form of a track that an attempt
// produced.
func EditedTrackID(id string, now time.Time) string {
	job, attempt, _ := cutTrackID(id)
	return job + "-" + attempt + "-" + strconv.FormatInt(now.UnixMilli(), 36) + NewID()[:8]
}

// TrackOrigin returns the attempt that produced the track with the ID, and when it was
// edited, the zero time if it was not. ok is false for another kind of ID.
func TrackOrigin(id string) (attempt int, edited time.Time, ok bool) {
	_, number, edit := cutTrackID(id)
	attempt, err := strconv.Atoi(number)
	if edit == "" || err != nil {
		return attempt, time.Time{}, err == nil
	}
	ms, err := strconv.ParseInt(edit[:max(0, len(edit)-8)], 36, 64)
	return attempt, time.UnixMilli(ms), err == nil
}

func cutTrackID(id string) (job, attempt, edit string) {
	job, rest, _ := strings.Cut(id, "-")
	attempt, edit, _ = strings.Cut(rest, "-")
	return job, attempt, edit
}

// TrackJob returns the job's ID from a TrackID.
func TrackJob(id string) string {
	job, _, _ := strings.Cut(id, "-")
	return job
}
