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

// database is sx.db. Its methods turn errors into what the port promises.
type database struct {
	bolt *bbolt.DB
}

// lockTimeout is how long Open waits for a process that is just ending.
const lockTimeout = time.Second

// batchDelay is how long the record of a commit waits for others to share its
// sync with. Each piece of an upload waits for it at its end, so that bbolt's own
// 10 ms would be most of what a small one takes.
const batchDelay = time.Millisecond

// format is the layout of the records. A program that changes it raises it.
const format = "1"

var (
	bucketMeta                 = []byte("meta")
	bucketUsers                = []byte("users")
	bucketUserNames            = []byte("user_names") // name → user id
	bucketSessions             = []byte("sessions")
	bucketInvites              = []byte("invitations")
	bucketTokens               = []byte("personal_tokens")
	bucketTokenKeys            = []byte("personal_tokens_of") // user id, 0, name → token id
	bucketNotificationSettings = []byte("notification_settings")
	bucketDeliveries           = []byte("deliveries")
	bucketDue                  = []byte("deliveries_due") // see orderKey
	bucketJobs                 = []byte("jobs")
	bucketOrder                = []byte("jobs_order")     // see orderKey
	bucketUnsettled            = []byte("jobs_unsettled") // likewise
	bucketUploads              = []byte("uploads")

	keyFormat = []byte("format")
)

func openDatabase(dir string) (*database, error) {
	path := filepath.Join(dir, "sx.db")
	db, err := openBolt(path)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, sx.NewError(sx.CodeUnavailable, "the data folder %s is in use by another sxd", dir).
			WithHint("stop it with: sx down, or choose another folder with --data")
	case errors.Is(err, os.ErrPermission), diskFull(err):
		return nil, directoryError(dir, err)
	case err != nil:
		return nil, sx.NewError(sx.CodeUnavailable, "%s is damaged: %v", path, err).
			WithHint("restore %s from a backup, or choose another folder with --data", path).WithCause(err)
	}
	d := &database{bolt: db}
	if err := d.setUp(path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// openBolt opens the file and reads all of it once. bbolt panics at pages that
// make no sense, and the mapping faults beyond the end of a truncated file;
// here both become errors, before anyone relies on the records.
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
			return fmt.Errorf("it has %d of %d bytes", info.Size(), t.Size())
		}
		return t.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(_, _ []byte) error { return nil })
		})
	}
}

func (d *database) setUp(path string) error {
	return d.bolt.Update(func(t tx) error {
		for _, name := range [][]byte{
			bucketMeta, bucketUsers, bucketUserNames, bucketSessions,
			bucketInvites, bucketTokens, bucketTokenKeys, bucketNotificationSettings, bucketDeliveries, bucketDue,
			bucketJobs, bucketOrder, bucketUnsettled, bucketUploads,
		} {
			if _, err := t.CreateBucketIfNotExists(name); err != nil {
				return fmt.Errorf("setting up %s: %w", path, err)
			}
		}
		meta := t.Bucket(bucketMeta)
		switch got := string(meta.Get(keyFormat)); got {
		case format:
			return nil
		case "":
			return meta.Put(keyFormat, []byte(format))
		default:
			return sx.NewError(sx.CodeUnavailable, "%s has format %s, and this sxd knows format %s", path, got, format).
				WithHint("start the sxd version that wrote it, or choose another folder with --data")
		}
	})
}

// view reads in one transaction. doing says what failed when it fails.
func (d *database) view(ctx context.Context, doing string, fn func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return wrapError(doing, d.bolt.View(fn))
}

// update changes records in one transaction, which is on the disk when it returns.
func (d *database) update(ctx context.Context, doing string, fn func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return wrapError(doing, d.bolt.Update(fn))
}

func (d *database) close() error { return d.bolt.Close() }

// wrapError gives an error its code: what is an *sx.Error already keeps it.
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
		return sx.NewError(sx.CodeUnavailable, "the storage is closed").WithCause(fmt.Errorf("%s: %w", doing, err))
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}
