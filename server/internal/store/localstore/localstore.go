// Package localstore implements the storage port on one machine's disk: files
// for videos and tracks, bbolt for the records. The data directory contains
//
//	sx.db         all records, among them the state of each upload
//	videos/<id>   the bytes of an upload or video
//	tracks/<id>   the bytes of a track
//	tmp/          tracks that are being written; emptied by Open
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
	"os"
	"path/filepath"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// Open opens the data directory, which it creates if necessary, with access for
// its owner only. If another process has the directory open, or sx.db is
// damaged, it returns an *sx.Error of code unavailable.
func Open(dir string) (store.Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return store.Store{}, fmt.Errorf("find the data directory: %w", err)
	}
	videosDir, tracksDir, tmpDir := filepath.Join(dir, "videos"), filepath.Join(dir, "tracks"), filepath.Join(dir, "tmp")
	for _, d := range []string{dir, videosDir, tracksDir, tmpDir} {
		if err := os.MkdirAll(d, dirMode); err != nil {
			return store.Store{}, directoryError(dir, err)
		}
	}
	db, err := openDatabase(dir)
	if err != nil {
		return store.Store{}, err
	}
	// Only the owner of the lock may empty tmp: another process could be writing
	// there.
	if err := errors.Join(removeContents(tmpDir), syncDir(dir)); err != nil {
		return store.Store{}, errors.Join(directoryError(dir, err), db.close())
	}
	return store.Store{
		Users:                &users{db: db},
		Sessions:             &sessions{db: db},
		Invitations:          &invitations{db: db},
		PersonalTokens:       &personalTokens{db: db},
		NotificationSettings: &notificationSettings{db: db},
		Deliveries:           &deliveries{db: db},
		Jobs:                 &jobs{db: db},
		Videos:               newVideos(db, videosDir),
		Tracks:               &tracks{dir: tracksDir, tmp: tmpDir},
		Conversions:          &conversions{db: db},
		Ping:                 func(ctx context.Context) error { return ping(ctx, db, videosDir, tracksDir, tmpDir) },
		Close:                db.close,
	}, nil
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

// validID reports whether the ID can be a file name. IDs come from URLs.
func validID(id string) bool {
	return id != "." && filepath.IsLocal(id) && filepath.Base(id) == id
}
