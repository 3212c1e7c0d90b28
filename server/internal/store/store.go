// Package store is the storage port: small interfaces for everything that the
// services store. Their comments are the contract; package storetest tests every
// adapter against it.
//
// All methods may be called by several goroutines and several processes at the
// same time. Records are changed by compare-and-set on one document: Replace
// succeeds only if the stored Rev is still that of the given record, and stores
// the record with Rev+1; otherwise it returns ErrStale. Update is the loop for
// this. A record that does not exist is an *sx.Error of code not_found. A store
// that cannot be reached is one of code unavailable. Adapters do not retry.
//
// Times are stored and ordered with millisecond precision. The services create
// IDs with sx.NewID; an ID never contains a slash.
package store

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/soundextract/sx/server/sx"
)

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
	Conversions          Conversions
	// Ping returns an *sx.Error of code unavailable while the store cannot be used.
	Ping func(ctx context.Context) error
	// Close releases the store; no other method may be called after it.
	Close func() error
}

// Users stores accounts.
type Users interface {
	// Create stores a new user with Rev 1. If the name exists, it returns an
	// *sx.Error of code name_taken.
	Create(ctx context.Context, u sx.User) error
	ByID(ctx context.Context, id string) (sx.User, error)
	ByName(ctx context.Context, name string) (sx.User, error)
	// Replace is the compare-and-set of the package comment. For a record with
	// another name it returns an *sx.Error of code invalid: names cannot be
	// changed.
	Replace(ctx context.Context, u sx.User) error
	// List returns at most limit users (0 means no limit) whose names sort after
	// the given name ("" means from the start), ordered by the bytes of their
	// names. more reports whether the limit cut the list.
	List(ctx context.Context, after string, limit int) (users []sx.User, more bool, err error)
}

// Sessions stores sign-ins.
type Sessions interface {
	// Create stores a new session with Rev 1.
	Create(ctx context.Context, s sx.Session) error
	ByID(ctx context.Context, id string) (sx.Session, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, s sx.Session) error
	// Delete removes the session. It succeeds if there is none.
	Delete(ctx context.Context, id string) error
	// DeleteExpired removes the sessions whose Expires is before now.
	DeleteExpired(ctx context.Context, now time.Time) error
}

// Invitations stores invitations to register.
type Invitations interface {
	// Create stores a new invitation with Rev 1.
	Create(ctx context.Context, v sx.Invitation) error
	ByID(ctx context.Context, id string) (sx.Invitation, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, v sx.Invitation) error
	// DeleteExpired removes the invitations whose Expires is before now.
	DeleteExpired(ctx context.Context, now time.Time) error
}

// PersonalTokens stores tokens for automation. They are created and deleted, but
// never changed.
type PersonalTokens interface {
	// Create stores a new token. If the ID exists, or the user has another
	// token of that name, it returns an *sx.Error of code conflict.
	Create(ctx context.Context, v sx.PersonalToken) error
	ByID(ctx context.Context, id string) (sx.PersonalToken, error)
	// List returns the user's tokens by Created, then ID, the oldest first.
	List(ctx context.Context, userID string) ([]sx.PersonalToken, error)
	// Delete removes the token. It succeeds if there is none.
	Delete(ctx context.Context, id string) error
	// DeleteExpired removes the tokens whose Expires is before now.
	DeleteExpired(ctx context.Context, now time.Time) error
}

// NotificationSettings stores how users want to be notified.
type NotificationSettings interface {
	// Get returns the user's settings: empty ones with Rev 0 for a user who has
	// none yet.
	Get(ctx context.Context, userID string) (sx.NotificationSettings, error)
	// Replace is the compare-and-set of the package comment. Settings with Rev 0
	// are stored with Rev 1 if the user has none yet.
	Replace(ctx context.Context, v sx.NotificationSettings) error
}

// Deliveries stores the notifications that are sent to users, and keeps them for
// some time after they were sent.
type Deliveries interface {
	// Create stores a new delivery with Rev 1. If the ID exists, it returns an
	// *sx.Error of code conflict.
	Create(ctx context.Context, d sx.Delivery) error
	Get(ctx context.Context, id string) (sx.Delivery, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, d sx.Delivery) error
	// Due returns at most limit pending deliveries whose Due is not after now, by
	// Due, then ID.
	Due(ctx context.Context, now time.Time, limit int) ([]sx.Delivery, error)
	// List returns at most limit of the user's deliveries, newest first (by
	// Created, then ID, both descending).
	List(ctx context.Context, userID string, limit int) ([]sx.Delivery, error)
	// DeleteSettled removes the deliveries that are not pending and whose Created
	// is before the given time.
	DeleteSettled(ctx context.Context, before time.Time) error
}

// Jobs stores job documents.
type Jobs interface {
	// Create stores a new job with Rev 1. If the ID exists, it returns an
	// *sx.Error of code conflict.
	Create(ctx context.Context, j sx.Job) error
	Get(ctx context.Context, id string) (sx.Job, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, j sx.Job) error
	// Delete removes the document if its Rev is still that of the given job;
	// otherwise it returns ErrStale. It succeeds if there is no such document.
	Delete(ctx context.Context, j sx.Job) error
	// List returns the jobs that match, newest first (by Created, then ID, both
	// descending). more reports whether the limit cut the list.
	List(ctx context.Context, f JobFilter) (jobs []sx.Job, more bool, err error)
	// Unsettled returns every job that is not Settled, oldest first. The
	// reconcilers read it.
	Unsettled(ctx context.Context) ([]sx.Job, error)
	// NextQueued returns the ID of the oldest job (by Created, then ID) that a
	// converter may claim at now, of an owner who is not among except; "" if there
	// is none. How long it takes does not depend on how many jobs the owners in
	// except have.
	NextQueued(ctx context.Context, now time.Time, except []string) (id string, err error)
	// Usage returns the sum of StoredBytes over the owner's jobs.
	Usage(ctx context.Context, owner string) (int64, error)
}

// StoredBytes returns how many bytes of storage the job accounts for: its video
// (with its full size, even while it is being uploaded) and its tracks. The video
// of an upload that expired, or was cancelled before it was complete, does not
// count because it is removed; one that was cancelled later is kept for a retry.
func StoredBytes(j sx.Job) int64 {
	var n int64
	if j.State != sx.StateExpired && (j.State != sx.StateCancelled || j.Sent.SHA256 != "") {
		n += j.Sent.Size
	}
	for _, t := range j.Tracks {
		n += t.Size
	}
	return n
}

// JobFilter selects jobs. A zero field selects all.
type JobFilter struct {
	Owner  string
	States []sx.State
	IDs    []string
	Name   string   // a part of the video's name; upper and lower case are the same
	Labels []string // a job has all of them
	// Identities selects the jobs of which a source has one of them. How long that takes
	// does not depend on how many other jobs there are.
	Identities []string
	// After is the last job of the previous page: only older jobs are returned.
	After *JobCursor
	Limit int // the largest number of jobs to return; 0 means no limit
}

// JobCursor is a position in the order of List.
type JobCursor struct {
	Created time.Time
	ID      string
}

// Upload is a video that is being uploaded, or was.
type Upload struct {
	ID      string
	Name    string
	Size    int64     // bytes in total
	Offset  int64     // bytes that are durably stored
	SHA256  string    // lower-case hex, of the whole video; "" until it is complete
	Updated time.Time // when bytes last arrived
}

// Videos stores videos, which arrive in several requests over hours. A video is
// complete once Complete has succeeded; until then it is an upload.
type Videos interface {
	// Create starts an upload. If there is no space for Size bytes, it stores
	// nothing and returns an *sx.Error of code storage_full. If the ID exists,
	// it returns an *sx.Error of code conflict.
	Create(ctx context.Context, id, name string, size int64) error
	// Stat returns the state of the upload. Every byte below Offset survives a
	// crash of the process.
	Stat(ctx context.Context, id string) (Upload, error)
	// Append stores what it reads from src, from the given offset on, and returns
	// how many of these bytes are durably stored, even if it returns an error.
	// The end of src, by io.EOF or another error, only ends this call; an error
	// of src is not returned. If ctx ends, Append stores what it has read and
	// then returns ctx.Err(). Its memory use does not depend on how much it
	// reads.
	//
	// If offset is not the stored one, or src has more bytes than Size allows,
	// Append returns an *sx.Error of code offset_conflict. The newest Append
	// wins: as soon as it has started, an older one on the same upload, in any
	// process, stores nothing more and returns offset_conflict. If the disk is
	// full, it returns an *sx.Error of code storage_full; bytes stored before
	// remain stored.
	Append(ctx context.Context, id string, offset int64, src io.Reader) (int64, error)
	// Complete computes the digest of an upload that has all its bytes, and makes
	// the video readable. It may be called again, even after a crash midway,
	// and returns the same. If the upload lacks bytes, it returns an *sx.Error
	// of code conflict.
	Complete(ctx context.Context, id string) (Upload, error)
	// Open opens a complete video for reading. If the video is not complete, it
	// returns an *sx.Error of code not_found.
	Open(ctx context.Context, id string) (Blob, error)
	// Remove deletes the upload or video. It succeeds if there is none.
	Remove(ctx context.Context, id string) error
	// List returns the IDs of all uploads and videos, for the deletion of orphans.
	List(ctx context.Context) ([]string, error)
}

// Conversions records which MP3s the sources of removed jobs gave. There is at most
// one record for an owner, an identity and options.
type Conversions interface {
	// Put stores the record in place of an earlier one, and then removes the oldest
	// of the owner (by Recorded) but keep.
	Put(ctx context.Context, c sx.Conversion, keep int) error
	// Find returns the owner's records with one of the identities, in any order.
	Find(ctx context.Context, owner string, identities []string) ([]sx.Conversion, error)
}

// Digest identifies stored bytes.
type Digest struct {
	Size   int64
	SHA256 string // lower-case hex
}

// Head is the beginning of a track whose bytes are known only once the rest has
// been produced: an MP3's tag and its Info frame. A zero Head is none.
type Head struct {
	// Size is how many bytes the head has, at most 32 MiB, so that it may be kept
	// in memory.
	Size int
	// Bytes returns the head. It is called once, when the body has ended without
	// an error.
	Bytes func() ([]byte, error)
}

// Read calls Bytes and checks the size of its result. Adapters call it.
func (h Head) Read() ([]byte, error) {
	if h.Bytes == nil && h.Size == 0 {
		return nil, nil
	}
	b, err := h.Bytes()
	if err == nil && len(b) != h.Size {
		return nil, fmt.Errorf("the head of the track has %d bytes, want %d", len(b), h.Size)
	}
	return b, err
}

// Tracks stores finished MP3s, each of which arrives in one call.
type Tracks interface {
	// Put stores the head, followed by all of body, under the ID. It stores the
	// bytes of body as they arrive, so its memory use does not depend on their
	// number. The track becomes visible, in place of an earlier one, only when it
	// is stored completely. An error of body or of the head fails the Put, and so
	// does a head of another size than announced.
	Put(ctx context.Context, id, name string, head Head, body io.Reader) (Digest, error)
	Open(ctx context.Context, id string) (Blob, error)
	// Remove deletes the track. It succeeds if there is none.
	Remove(ctx context.Context, id string) error
	// List returns the IDs of all tracks, for the deletion of orphans.
	List(ctx context.Context) ([]string, error)
}

// Blob reads stored bytes. The ctx of Open applies to all its reads. It must not
// be used by several goroutines at the same time.
type Blob interface {
	io.ReadSeekCloser
	Size() int64
}
