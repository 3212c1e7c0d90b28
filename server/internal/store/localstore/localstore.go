// Package localstore implements the storage port on one machine's disk: files
// for videos and tracks, bbolt for the records. The data directory contains
//
//	sx.db             all records, among them the state of each upload
//	videos/<xx>/<id>  the bytes of an upload or video; xx is the beginning of its ID
//	tracks/<xx>/<id>  the bytes of a track
//	tmp/              tracks that are being written; emptied by Open
//	spare             occupies space that removals need on a full disk
//
// The lock on sx.db admits one process at a time, so the fencing of appends (the
// newest one wins) needs no more than mutexes.
//
// sx.db decides what is stored. Bytes beyond an upload's recorded offset were
// never acknowledged, and the next Append truncates them. A file that is shorter
// than its record was modified by someone else or lost by the disk: its upload
// starts over at offset 0, and a complete video of that kind cannot be opened.
package localstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/sx"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// Config selects the data directory.
type Config struct {
	Dir string
	Log *slog.Logger     // nil discards
	Now func() time.Time // nil is time.Now
	// Format and Release are this release's, except in tests of formats.
	Format  format.Format
	Release string
}

// Open opens the data directory, which it creates if necessary, with access for
// its owner only. If another process has the directory open, or sx.db is
// damaged, it returns an *sx.Error of code unavailable; if sx.db has a format that the
// release cannot read, one of code stored_format. ctx applies to Open only.
func Open(ctx context.Context, cfg Config) (store.Store, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return store.Store{}, fmt.Errorf("find the data directory: %w", err)
	}
	cfg.Dir = dir
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	videosDir, tracksDir, tmpDir := filepath.Join(dir, "videos"), filepath.Join(dir, "tracks"), filepath.Join(dir, "tmp")
	for _, d := range []string{dir, videosDir, tracksDir, tmpDir} {
		if err := makeDir(d); err != nil {
			return store.Store{}, directoryError(dir, err)
		}
	}
	db, err := openDatabase(ctx, cfg)
	if err != nil {
		return store.Store{}, err
	}
	// Only the owner of the lock may empty tmp: another process could be writing
	// there.
	if err := errors.Join(removeContents(tmpDir), syncDir(dir)); err != nil {
		return store.Store{}, errors.Join(directoryError(dir, err), db.close())
	}
	videos := newVideos(db, videosDir)
	return store.Store{
		Users:                &users{db: db},
		Sessions:             &sessions{db: db},
		Invitations:          &invitations{db: db},
		PersonalTokens:       &personalTokens{db: db},
		Audit:                &audit{db: db},
		NotificationSettings: &notificationSettings{db: db},
		Deliveries:           &deliveries{db: db},
		Jobs:                 &jobs{db: db},
		Videos:               videos,
		Tracks:               &tracks{files: newShards(tracksDir), tmp: tmpDir},
		Conversions:          &conversions{db: db},
		IdempotencyKeys:      &idempotencyKeys{db: db},
		Feeds:                &feeds{db: db},
		Bindings:             &bindings{db: db},
		Tasks:                &tasks{db: db},
		Space:                func(ctx context.Context) (store.Space, error) { return space(ctx, dir) },
		Limits:               &limits{db: db},
		Erasures:             &erasures{db: db},
		Counters:             &counters{db: db},
		Dump:                 &dump{db: db, videos: videos},
		Format:               db.format,
		Ping:                 func(ctx context.Context) error { return ping(ctx, db, videosDir, tracksDir, tmpDir) },
		Close:                db.close,
	}, nil
}

// makeDir creates a directory if necessary, so that it survives a power loss. One from an
// earlier run may never have been synced.
func makeDir(dir string) error {
	if dir == filepath.Dir(dir) {
		return nil
	}
	err := os.Mkdir(dir, dirMode)
	if errors.Is(err, os.ErrNotExist) {
		if err = makeDir(filepath.Dir(dir)); err == nil {
			err = os.Mkdir(dir, dirMode)
		}
	}
	if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
		err = nil // Mkdir of an existing one returns different errors
	}
	if err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(dir)); !errors.Is(err, os.ErrPermission) {
		return err
	}
	return nil // a process that may not read the parent has not created dir
}

func directoryError(dir string, err error) error {
	return sx.NewError(sx.CodeUnavailable, "the data directory %s cannot be used: %v", dir, err).
		WithHint("choose a directory that you may write to with --data").WithCause(err)
}

func removeContents(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// ping detects a closed database and a missing directory, for example on a disk
// that was unmounted.
func ping(ctx context.Context, db *database, dirs ...string) error {
	if err := db.view(ctx, "read sx.db", func(tx) error { return nil }); err != nil {
		return err
	}
	for _, d := range dirs {
		if _, err := os.Stat(d); err != nil {
			return directoryError(filepath.Dir(d), err)
		}
	}
	return nil
}

// space returns the space of the directory's disk.
func space(ctx context.Context, dir string) (store.Space, error) {
	if err := ctx.Err(); err != nil {
		return store.Space{}, err
	}
	total, free, err := diskSpace(dir)
	if err != nil {
		return store.Space{}, wrapError("determine the free disk space", err)
	}
	return store.Space{Total: int64(min(total, math.MaxInt64)), Free: int64(min(free, math.MaxInt64))}, nil
}

// validID reports whether the ID can be a file name. IDs come from URLs.
func validID(id string) bool {
	return id != "." && filepath.IsLocal(id) && filepath.Base(id) == id
}
