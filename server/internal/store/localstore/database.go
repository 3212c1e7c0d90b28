package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/sx"
)

// database is sx.db. Its methods return errors as the port defines them.
type database struct {
	bolt   *bbolt.DB
	format *format.Replica
	spare  *spare
}

// lockTimeout is how long Open waits for another process that is exiting.
const lockTimeout = time.Second

// batchDelay is how long a commit of an upload waits for others to share its
// sync with. Every Append waits for it at its end, and bbolt's default of 10 ms
// would dominate the duration of small ones.
const batchDelay = time.Millisecond

var (
	bucketMeta                 = []byte("meta")
	bucketUsers                = []byte("users")
	bucketUserNames            = []byte("user_names") // name → user ID
	bucketSessions             = []byte("sessions")
	bucketInvites              = []byte("invitations")
	bucketBindings             = []byte("bindings")
	bucketTokens               = []byte("personal_tokens")
	bucketTokenKeys            = []byte("personal_tokens_of")     // user ID, NUL, name → token ID
	bucketSessionExpiry        = []byte("sessions_expiry")        // see orderKey
	bucketInviteExpiry         = []byte("invitations_expiry")     // see orderKey
	bucketTokenExpiry          = []byte("personal_tokens_expiry") // see orderKey
	bucketAudit                = []byte("audit")
	bucketAuditOf              = []byte("audit_of") // account's name, NUL, then the entry's ID
	bucketNotificationSettings = []byte("notification_settings")
	bucketDeliveries           = []byte("deliveries")
	bucketDue                  = []byte("deliveries_due")     // pending, see orderKey
	bucketDeliveriesOf         = []byte("deliveries_of")      // user ID, NUL, then orderKey
	bucketSettled              = []byte("deliveries_settled") // see orderKey
	bucketJobs                 = []byte("jobs")
	bucketOrder                = []byte("jobs_order")      // see orderKey
	bucketStates               = []byte("jobs_states")     // owner or nothing, NUL, state, NUL, then orderKey
	bucketCodes                = []byte("jobs_codes")      // error code, NUL, then orderKey
	bucketActions              = []byte("jobs_actions")    // action, NUL, then orderKey with the time at which it is due
	bucketWaiting              = []byte("jobs_waiting")    // owner, NUL, priority, NUL, then orderKey
	bucketIdentities           = []byte("jobs_identities") // owner, NUL, identity, NUL, then orderKey
	bucketSince                = []byte("jobs_since")      // unfinished: state, NUL, then orderKey with Since
	bucketOwners               = []byte("owners")          // see ownerRecord
	bucketTurns                = []byte("owners_turns")    // see turnKey
	bucketTasks                = []byte("tasks")
	bucketLimits               = []byte("limits")
	bucketErasures             = []byte("erasures")
	bucketErasuresDue          = []byte("erasures_due") // step, NUL, then orderKey with Due
	bucketCounters             = []byte("counters")
	bucketCounterExpiry        = []byte("counters_expiry") // see orderKey
	bucketUploads              = []byte("uploads")
	bucketFeeds                = []byte("feeds")                   // by owner
	bucketConversions          = []byte("conversions")             // see conversionKey
	bucketRecorded             = []byte("conversions_order")       // see orderKey
	bucketKeys                 = []byte("idempotency_keys")        // see keyID
	bucketKeyExpiry            = []byte("idempotency_keys_expiry") // see orderKey
	bucketKeysOf               = []byte("idempotency_keys_of")     // see keyOrder

	keyFormat = []byte("format")
)

func openDatabase(ctx context.Context, cfg Config) (*database, error) {
	dir, path := cfg.Dir, filepath.Join(cfg.Dir, "sx.db")
	db, err := openBolt(path)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, sx.NewError(sx.CodeUnavailable, "the data directory %s is in use by another sxd", dir).
			WithHint("stop the other sxd, or choose another directory with --data")
	case errors.Is(err, os.ErrPermission), diskFull(err):
		return nil, directoryError(dir, err)
	case err != nil:
		return nil, sx.NewError(sx.CodeUnavailable, "%s is damaged: %v", path, err).
			WithHint("restore %s from a backup, or choose another directory with --data", path).WithCause(err)
	}
	replica, err := format.Join(ctx, format.Config{
		Records: formatRecords{db}, Format: cfg.Format, Release: cfg.Release, Program: "sxd", Where: path,
		Alone: true, Log: cfg.Log, Now: cfg.Now,
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	d := &database{bolt: db, format: replica, spare: newSpare(dir)}
	if err := d.createBuckets(path); err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.spare.restore(ctx)
	return d, nil
}

// openBolt opens the file and reads all of it once. bbolt panics on invalid
// pages, and the memory mapping faults beyond the end of a truncated file. Both
// become errors here, before any record is used.
func openBolt(path string) (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
			if db != nil {
				err = errors.Join(err, db.Close())
			}
		}
	}()
	if db, err = bbolt.Open(path, fileMode, &bbolt.Options{Timeout: lockTimeout}); err != nil {
		return nil, err
	}
	db.MaxBatchDelay = batchDelay
	if err := db.View(readAll(path)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func readAll(path string) func(*bbolt.Tx) error {
	return func(t *bbolt.Tx) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() < t.Size() {
			return fmt.Errorf("the file has %d of %d bytes", info.Size(), t.Size())
		}
		return t.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(_, _ []byte) error { return nil })
		})
	}
}

func (d *database) createBuckets(path string) error {
	return d.bolt.Update(func(t *bbolt.Tx) error {
		for _, name := range [][]byte{
			bucketUsers, bucketUserNames, bucketSessions,
			bucketSessionExpiry, bucketInviteExpiry, bucketTokenExpiry,
			bucketInvites, bucketTokens, bucketTokenKeys, bucketAudit, bucketAuditOf, bucketNotificationSettings, bucketDeliveries, bucketDue,
			bucketDeliveriesOf, bucketSettled,
			bucketJobs, bucketOrder, bucketStates, bucketActions, bucketWaiting, bucketIdentities, bucketSince, bucketCodes,
			bucketOwners, bucketTurns, bucketTasks, bucketLimits, bucketErasures, bucketErasuresDue, bucketCounters, bucketCounterExpiry, bucketUploads,
			bucketConversions, bucketRecorded, bucketKeys, bucketKeyExpiry, bucketKeysOf, bucketFeeds, bucketBindings,
		} {
			if _, err := t.CreateBucketIfNotExists(name); err != nil {
				return fmt.Errorf("set up %s: %w", path, err)
			}
		}
		return nil
	})
}

// view reads in one transaction. doing names the operation in errors.
func (d *database) view(ctx context.Context, doing string, fn func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return wrapError(doing, d.bolt.View(d.with(fn)))
}

// update changes records in one transaction, which is on disk when it returns.
func (d *database) update(ctx context.Context, doing string, fn func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return wrapError(doing, d.bolt.Update(d.with(fn)))
}

func (d *database) with(fn func(tx) error) func(*bbolt.Tx) error {
	return func(t *bbolt.Tx) error { return fn(tx{t, d.format}) }
}

// updateAlways is update for what must work on a full disk too: it gives up the spare
// file then.
func (d *database) updateAlways(ctx context.Context, doing string, fn func(tx) error) error {
	err := d.update(ctx, doing, fn)
	if sx.CodeOf(err) == sx.CodeStorageFull && d.spare.giveUp() {
		return d.update(ctx, doing, fn)
	}
	if err == nil {
		d.spare.restore(ctx)
	}
	return err
}

// batch is how many records one transaction of updateInBatches deletes, so that other
// transactions do not wait long for it.
const batch = 500

// updateInBatches runs transactions until fn has changed less than a batch of records.
func (d *database) updateInBatches(ctx context.Context, doing string, fn func(tx) (n int, err error)) error {
	for {
		n := 0
		err := d.update(ctx, doing, func(t tx) (err error) {
			n, err = fn(t)
			return err
		})
		if err != nil || n < batch {
			return err
		}
	}
}

func (d *database) close() error {
	d.format.Close()
	return d.bolt.Close()
}

// wrapError gives an error its code. An *sx.Error keeps the one that it has.
func wrapError(doing string, err error) error {
	var e *sx.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return err
	case diskFull(err):
		return sx.NewError(sx.CodeStorageFull, "the server's disk is full").WithCause(fmt.Errorf("%s: %w", doing, err))
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return sx.NewError(sx.CodeUnavailable, "the store is closed").WithCause(fmt.Errorf("%s: %w", doing, err))
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}
