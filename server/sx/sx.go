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

// File describes a file by its name and content.
type File struct {
	Name   string // base name
	Size   int64  // bytes
	SHA256 string // lower-case hex; "" while unknown
}

// Track is an MP3 produced by a job.
type Track struct {
	Number   int    // from 1, unique in its job
	ID       string // the key in the track store, see TrackID
	Name     string // the MP3's file name
	Size     int64  // bytes
	SHA256   string // lower-case hex
	Duration time.Duration
}

// TrackID returns the key of the track produced by an attempt.
func TrackID(job string, attempt int) string { return job + "-" + strconv.Itoa(attempt) }

// TrackJob returns the job's ID from a TrackID.
func TrackJob(id string) string {
	job, _, _ := strings.Cut(id, "-")
	return job
}
