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

	"github.com/soundextract/sx/server/sx"
)

type tx = *bbolt.Tx

// database is sx.db. Its methods return errors as the port defines them.
type database struct {
	bolt *bbolt.DB
}

// lockTimeout is how long Open waits for another process that is exiting.
const lockTimeout = time.Second

// batchDelay is how long a commit of an upload waits for others to share its
// sync with. Every Append waits for it at its end, and bbolt's default of 10 ms
// would dominate the duration of small ones.
const batchDelay = time.Millisecond

// format is the version of the layout of sx.db. Increment it when the layout
// changes.
const format = "1"

var (
	bucketMeta                 = []byte("meta")
	bucketUsers                = []byte("users")
	bucketUserNames            = []byte("user_names") // name → user ID
	bucketSessions             = []byte("sessions")
	bucketInvites              = []byte("invitations")
	bucketTokens               = []byte("personal_tokens")
	bucketTokenKeys            = []byte("personal_tokens_of") // user ID, NUL, name → token ID
	bucketNotificationSettings = []byte("notification_settings")
	bucketDeliveries           = []byte("deliveries")
	bucketDue                  = []byte("deliveries_due") // see orderKey
	bucketJobs                 = []byte("jobs")
	bucketOrder                = []byte("jobs_order")      // see orderKey
	bucketUnsettled            = []byte("jobs_unsettled")  // see orderKey
	bucketQueued               = []byte("jobs_queued")     // see orderKey
	bucketIdentities           = []byte("jobs_identities") // owner, NUL, identity, NUL, then orderKey
	bucketUploads              = []byte("uploads")
	bucketConversions          = []byte("conversions")       // see conversionKey
	bucketRecorded             = []byte("conversions_order") // see orderKey

	keyFormat = []byte("format")
)

func openDatabase(dir string) (*database, error) {
	path := filepath.Join(dir, "sx.db")
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
	d := &database{bolt: db}
	if err := d.createBuckets(path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
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

func readAll(path string) func(tx) error {
	return func(t tx) error {
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
	return d.bolt.Update(func(t tx) error {
		for _, name := range [][]byte{
			bucketMeta, bucketUsers, bucketUserNames, bucketSessions,
			bucketInvites, bucketTokens, bucketTokenKeys, bucketNotificationSettings, bucketDeliveries, bucketDue,
			bucketJobs, bucketOrder, bucketUnsettled, bucketQueued, bucketIdentities, bucketUploads,
			bucketConversions, bucketRecorded,
		} {
			if _, err := t.CreateBucketIfNotExists(name); err != nil {
				return fmt.Errorf("set up %s: %w", path, err)
			}
		}
		meta := t.Bucket(bucketMeta)
		switch got := string(meta.Get(keyFormat)); got {
		case format:
			return nil
		case "":
			return meta.Put(keyFormat, []byte(format))
		default:
			return sx.NewError(sx.CodeUnavailable, "%s has format %s, but this sxd supports format %s", path, got, format).
				WithHint("start the sxd version that wrote it, or choose another directory with --data")
		}
	})
}

// view reads in one transaction. doing names the operation in errors.
func (d *database) view(ctx context.Context, doing string, fn func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return wrapError(doing, d.bolt.View(fn))
}

// update changes records in one transaction, which is on disk when it returns.
func (d *database) update(ctx context.Context, doing string, fn func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return wrapError(doing, d.bolt.Update(fn))
}

func (d *database) close() error { return d.bolt.Close() }

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
