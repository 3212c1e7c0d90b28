// Package store is the storage port: what the services need kept, as small
// interfaces whose comments are the contract. Package storetest holds every
// adapter to it.
//
// All methods may be called from several goroutines and several processes.
// Records are changed by compare-and-set on one document: Replace succeeds
// only if the stored Rev still is the given record's, and stores it with
// Rev+1; else it returns ErrStale. Change wraps the loop. An absent record is
// an *sx.Error of code not_found. A store that cannot be reached is one of code
// unavailable. Adapters do not retry.
//
// Times are kept and ordered to the millisecond. Ids are made by the services
// from sx.NewID, and never hold a slash.
package store

import (
	"context"
	"io"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// ErrStale says that a record was changed by someone else since it was read.
var ErrStale = sx.NewError(sx.CodeConflict, "the record was changed in the meantime")

// Store bundles what one adapter offers, so that a service takes only what it needs.
type Store struct {
	Users                Users
	Sessions             Sessions
	Invitations          Invitations
	PersonalTokens       PersonalTokens
	NotificationSettings NotificationSettings
	Deliveries           Deliveries
	Jobs                 Jobs
	Videos               Videos
	Tracks               Tracks
	// Ping returns an *sx.Error of code unavailable while the store cannot be used.
	Ping func(ctx context.Context) error
	// Close releases the store; no other method may be called after it.
	Close func() error
}

// Users keeps accounts.
type Users interface {
	// Create stores a new user with Rev 1. A name that exists is an Error of
	// code name_taken.
	Create(ctx context.Context, u sx.User) error
	ByID(ctx context.Context, id string) (sx.User, error)
	ByName(ctx context.Context, name string) (sx.User, error)
	// Replace is the compare-and-set of the package comment. A name cannot be
	// changed: that is an Error of code invalid.
	Replace(ctx context.Context, u sx.User) error
	// List gives at most limit users (0 is no limit) in the order of their
	// names' bytes, those behind the name after only ("" is from the start).
	// more is true when the limit cut the list.
	List(ctx context.Context, after string, limit int) (users []sx.User, more bool, err error)
}

// Sessions keeps sign-ins.
type Sessions interface {
	// Create stores a new session with Rev 1.
	Create(ctx context.Context, s sx.Session) error
	ByID(ctx context.Context, id string) (sx.Session, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, s sx.Session) error
	// Delete removes the session; one that is absent is success.
	Delete(ctx context.Context, id string) error
	// DeleteExpired removes the sessions whose Expires is before now.
	DeleteExpired(ctx context.Context, now time.Time) error
}

// Invitations keeps invitations to register.
type Invitations interface {
	// Create stores a new invitation with Rev 1.
	Create(ctx context.Context, v sx.Invitation) error
	ByID(ctx context.Context, id string) (sx.Invitation, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, v sx.Invitation) error
	// DeleteExpired removes the invitations whose Expires is before now.
	DeleteExpired(ctx context.Context, now time.Time) error
}

// PersonalTokens keeps tokens for automation. They are made and removed, never
// changed.
type PersonalTokens interface {
	// Create stores a new token. A name that the user has given to another is
	// an Error of code conflict, and so is an id that exists.
	Create(ctx context.Context, v sx.PersonalToken) error
	ByID(ctx context.Context, id string) (sx.PersonalToken, error)
	// List gives the user's tokens by Created, then id, the oldest first.
	List(ctx context.Context, userID string) ([]sx.PersonalToken, error)
	// Delete removes the token; one that is absent is success.
	Delete(ctx context.Context, id string) error
	// DeleteExpired removes the tokens whose Expires is before now.
	DeleteExpired(ctx context.Context, now time.Time) error
}

// NotificationSettings keeps where users are notified.
type NotificationSettings interface {
	// Get gives the user's settings. Those of a user who has none yet are empty,
	// with Rev 0.
	Get(ctx context.Context, userID string) (sx.NotificationSettings, error)
	// Replace is the compare-and-set of the package comment. Settings of Rev 0
	// are stored with Rev 1, if the user has none.
	Replace(ctx context.Context, c sx.NotificationSettings) error
}

// Deliveries keeps what users are told, until some time after.
type Deliveries interface {
	// Create stores a new delivery with Rev 1; an id that exists is an Error of
	// code conflict.
	Create(ctx context.Context, d sx.Delivery) error
	Get(ctx context.Context, id string) (sx.Delivery, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, d sx.Delivery) error
	// Due gives at most limit pending deliveries whose Due is not after now, by
	// Due, then id.
	Due(ctx context.Context, now time.Time, limit int) ([]sx.Delivery, error)
	// List gives at most limit of the user's, newest first (by Created, then id,
	// both descending).
	List(ctx context.Context, userID string, limit int) ([]sx.Delivery, error)
	// DeleteSettled removes those that are not pending and were Created before
	// the time.
	DeleteSettled(ctx context.Context, before time.Time) error
}

// Jobs keeps job documents.
type Jobs interface {
	// Create stores a new job with Rev 1; an id that exists is an Error of code conflict.
	Create(ctx context.Context, j sx.Job) error
	Get(ctx context.Context, id string) (sx.Job, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, j sx.Job) error
	// Delete removes the document if its Rev is still the given job's, else
	// it returns ErrStale; one that is absent is success.
	Delete(ctx context.Context, j sx.Job) error
	// List gives the jobs that match, newest first (by Created, then id, both
	// descending).
	// more is true when the limit cut the list.
	List(ctx context.Context, f JobFilter) (jobs []sx.Job, more bool, err error)
	// Unsettled gives every job that is not Settled, oldest first. This is
	// what the reconcilers read.
	Unsettled(ctx context.Context) ([]sx.Job, error)
	// Usage is what the owner's jobs take up: the bytes of their videos (whole,
	// even while they are being uploaded) and tracks, without the videos of
	// uploads that expired or were cancelled before they were whole: those are
	// removed. A video cancelled later is kept for a retry.
	Usage(ctx context.Context, owner string) (int64, error)
}

// JobFilter selects jobs; a zero field selects all.
type JobFilter struct {
	Owner  string
	States []sx.State
	IDs    []string
	Name   string // part of the video's name, in any case
	// After is the last job of the page before: only older ones are given.
	After *JobCursor
	Limit int // at most so many; 0 is no limit
}

// JobCursor is a place in the order of List.
type JobCursor struct {
	Created time.Time
	ID      string
}

// Upload is a video on its way into the store.
type Upload struct {
	ID      string
	Name    string
	Size    int64     // bytes in all
	Offset  int64     // bytes that are stored and will not be asked for again
	SHA256  string    // lower-case hex of the whole, once sealed
	Updated time.Time // when bytes last arrived
}

// Videos keeps videos, which arrive in pieces over hours.
type Videos interface {
	// Create makes room for an upload. An Error of code storage_full says that
	// Size bytes cannot be stored; nothing is left behind then. An id that
	// exists is an Error of code conflict.
	Create(ctx context.Context, id, name string, size int64) error
	// Stat tells how far the upload is. Every byte below Offset survives the
	// death of the process.
	Stat(ctx context.Context, id string) (Upload, error)
	// Append stores what src gives at the offset and returns how many bytes of
	// this piece are stored for good, also when it returns an error as well. The end of
	// src, clean or by an error, is just where this piece ends; an error of src
	// itself is not returned. So is the end of ctx: what came in is stored, and
	// only then ctx.Err() returned. Memory does not grow with the piece.
	//
	// An offset that is not the stored one is an Error of code
	// offset_conflict, and so is more data than Size. The newest Append wins:
	// an older one on the same upload, in whichever process, stores nothing
	// more once the newer has begun and returns offset_conflict. A full disk
	// is an Error of code storage_full; what was stored before stays.
	Append(ctx context.Context, id string, offset int64, src io.Reader) (int64, error)
	// Complete makes a complete upload readable and computes its digest. It may be
	// called again, also after a crash half-way, and gives the same. An
	// incomplete upload is an Error of code conflict.
	Complete(ctx context.Context, id string) (Upload, error)
	// Open reads a sealed video; one that is not sealed is an Error of code not_found.
	Open(ctx context.Context, id string) (Blob, error)
	// Remove deletes the upload or video; one that is absent is success.
	Remove(ctx context.Context, id string) error
	// List gives the ids of all uploads and videos, for the sweep of orphans.
	List(ctx context.Context) ([]string, error)
}

// Digest identifies stored bytes.
type Digest struct {
	Size   int64
	SHA256 string // lower-case hex
}

// Tracks keeps finished MP3s, which arrive whole.
type Tracks interface {
	// Put stores all of src under the id, in place of what was there, and makes
	// it visible only when complete. An error of src fails the Put.
	Put(ctx context.Context, id, name string, src io.Reader) (Digest, error)
	Open(ctx context.Context, id string) (Blob, error)
	// Remove deletes the track; one that is absent is success.
	Remove(ctx context.Context, id string) error
	// List gives the ids of all tracks, for the sweep of orphans.
	List(ctx context.Context) ([]string, error)
}

// Blob reads stored bytes. The ctx of Open bounds all its reads. It is for one
// goroutine.
type Blob interface {
	io.ReadSeekCloser
	Size() int64
}
