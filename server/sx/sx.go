// Package sx is the domain of SoundExtract: users, videos, tracks, jobs and
// their states, and the one error type. It is what all services share, and it
// imports the standard library only.
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
	Name string // unique, as UserName allows
	// PasswordHash is an argon2id hash in PHC string format.
	PasswordHash string
	Admin        bool
	Disabled     bool // may not sign in
	// Epoch is raised to end all sign-ins at once: those of an earlier one are over.
	Epoch      int
	Invitation string // the id of the invitation that it was made with, if any
	Created    time.Time
	Rev        int64 // see store.Users
}

// Session is one sign-in: a family of refresh tokens of which only the newest
// is good. Only hashes are kept.
type Session struct {
	ID       string
	UserID   string
	Epoch    int    // the user's when it began
	Current  string // hex SHA-256 of the newest refresh token
	Previous string // of the one before, for an answer that got lost on its way
	Rotated  time.Time
	Expires  time.Time
	Rev      int64
}

// File is a file as it is known by name and content.
type File struct {
	Name   string // base name
	Size   int64  // bytes
	SHA256 string // lower-case hex; "" while it is not known
}

// Track is an MP3 that a job produced.
type Track struct {
	Number   int    // from 1, unique in its job
	ID       string // the key in the track store, see TrackID
	Name     string // the MP3's file name
	Size     int64  // bytes
	SHA256   string // lower-case hex
	Duration time.Duration
}

// TrackID is the key of the track that an attempt at a job makes.
func TrackID(job string, attempt int) string { return job + "-" + strconv.Itoa(attempt) }

// TrackJob is the id of the job in a TrackID.
func TrackJob(id string) string {
	job, _, _ := strings.Cut(id, "-")
	return job
}
