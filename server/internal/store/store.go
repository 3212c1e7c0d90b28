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
	"time"

	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/sx"
)

// Store bundles what one adapter offers, so that a service takes only what it needs.
type Store struct {
	Users                Users
	Sessions             Sessions
	Invitations          Invitations
	Bindings             Bindings
	PersonalTokens       PersonalTokens
	Audit                Audit
	NotificationSettings NotificationSettings
	Deliveries           Deliveries
	Jobs                 Jobs
	Videos               Videos
	Tracks               Tracks
	Conversions          Conversions
	IdempotencyKeys      IdempotencyKeys
	Feeds                Feeds
	Tasks                Tasks
	Limits               Limits
	Erasures             Erasures
	Counters             Counters
	Dump                 Dump
	// Format is the version of the stored data. When its Refused returns an error, the
	// store must no longer be used.
	Format *format.Replica
	// Space returns how much space the volume of the videos and tracks has.
	Space func(ctx context.Context) (Space, error)
	// Ping returns an *sx.Error of code unavailable while the store cannot be used.
	Ping func(ctx context.Context) error
	// Close releases the store; no other method may be called after it.
	Close func() error
}

// Space is the space of a volume in bytes.
type Space struct {
	Total int64 // 0 if the store does not report it
	Free  int64 // what can still be stored
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
	// Delete removes the user, whose name can then be used again. It succeeds if there is
	// none.
	Delete(ctx context.Context, id string) error
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
	// DeleteOf removes the user's sessions.
	DeleteOf(ctx context.Context, userID string) error
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
	// Delete removes the invitation. It succeeds if there is none.
	Delete(ctx context.Context, id string) error
	// DeleteOf removes the invitations of the inviter.
	DeleteOf(ctx context.Context, inviter string) error
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
	// Delete removes the user's settings. It succeeds if there are none.
	Delete(ctx context.Context, userID string) error
}

// Busy says of which deliveries no more can be sent at the moment.
type Busy struct {
	Users  []string // all of these users
	Queues []string // see sx.Delivery.Queue
	Email  bool     // all by e-mail
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
	// Due returns at most limit pending deliveries whose Due is not after now, except
	// those that are busy, by Due, then ID. It ends early at MaxPageBytes. more reports
	// whether others are due that are not busy. It passes over those that are busy without
	// reading them, so that thousands of them delay no other.
	Due(ctx context.Context, now time.Time, busy Busy, limit int) (list []sx.Delivery, more bool, err error)
	// List returns at most limit of the user's deliveries, newest first (by
	// Created, then ID, both descending), without their payloads.
	List(ctx context.Context, userID string, after *Cursor, limit int) (list []sx.Delivery, next *Cursor, err error)
	// Surplus returns pending deliveries of the user beyond the newest keep (by Created,
	// then ID): all or some of them, in any order, ended at MaxPageBytes as Due is.
	Surplus(ctx context.Context, userID string, keep int) ([]sx.Delivery, error)
	// TrimSettled removes the user's deliveries that are not pending beyond the newest
	// keep.
	TrimSettled(ctx context.Context, userID string, keep int) error
	// DeleteOf removes the user's deliveries.
	DeleteOf(ctx context.Context, userID string) error
	// DeleteSettled removes the deliveries that are not pending and whose Created
	// is before the given time.
	DeleteSettled(ctx context.Context, before time.Time) error
}

// Conversions records which MP3s were made from the sources of removed jobs. There is at most
// one record for an owner, an identity and options.
type Conversions interface {
	// Put stores the record in place of an earlier one, and then removes the owner's oldest
	// records (by Recorded), until all others have at most keep tracks. If keep is large,
	// only some calls do so: see TrimDue.
	Put(ctx context.Context, c sx.Conversion, keep int) error
	// Find returns those of the owner's records that exist, in any order. Each may have
	// sx.MaxTracks tracks, so ask for few at a time.
	Find(ctx context.Context, owner string, keys []ConversionKey) ([]sx.Conversion, error)
	// DeleteOf removes the owner's records.
	DeleteOf(ctx context.Context, owner string) error
}

// ConversionKey says which of an owner's records is meant.
type ConversionKey struct {
	Identity string // of the source
	Options  string // their Key
}

// Tasks stores the state of periodic tasks. Of each task one round at a time runs,
// across all processes.
type Tasks interface {
	// Get returns the state of a task: an empty one with Rev 0 if there is none yet.
	Get(ctx context.Context, name string) (Task, error)
	// Replace is the compare-and-set of the package comment. A state with Rev 0 is
	// stored with Rev 1 if there is none yet.
	Replace(ctx context.Context, t Task) error
}

// Task is the state of a periodic task.
type Task struct {
	Name   string
	Holder string    // the process that runs a round
	Until  time.Time // another process may take over from then on
	Cursor string    // where the next round continues; "" at the beginning
	Next   time.Time // when the next round is due
	Rev    int64
}
