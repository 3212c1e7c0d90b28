// Package localstore is the storage port on one machine's disk: files for the
// bytes, bbolt for the records. The data folder holds
//
//	sx.db         users and what signs them in, jobs, and how far each upload is
//	videos/<id>   an upload or video, as its bytes
//	tracks/<id>   a track, as its bytes
//	tmp/          tracks that are being written; emptied by Open
//
// One process at a time has the folder, by the lock on sx.db, so what has to be
// fenced (the newest Append wins) is fenced in memory.
//
// A record in sx.db counts and a file does not: bytes beyond an upload's
// recorded offset were never promised to anyone and are cut off by the next
// Append. A file that is shorter than its record was tampered with or lost by
// the disk; its upload starts over at offset 0, and a sealed video of that kind
// cannot be opened.
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

// Open opens the data folder, and makes it where there is none, readable for
// its owner alone. A folder that another process has open is an *sx.Error of
// code unavailable, and so is one whose sx.db is damaged.
func Open(dir string) (store.Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return store.Store{}, fmt.Errorf("finding the data folder: %w", err)
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
	// Only the owner of the lock may clear what another process could be writing.
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
		Ping:                 func(ctx context.Context) error { return ping(ctx, db, videosDir, tracksDir, tmpDir) },
		Close:                db.close,
	}, nil
}

func directoryError(dir string, err error) error {
	return sx.NewError(sx.CodeUnavailable, "the data folder %s cannot be used: %v", dir, err).
		WithHint("choose a folder that you may write to with --data").WithCause(err)
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

// ping notices a closed database and a folder that went away, such as a disk
// that was unmounted under it.
func ping(ctx context.Context, db *database, dirs ...string) error {
	if err := db.view(ctx, "looking at the records", func(tx) error { return nil }); err != nil {
		return err
	}
	for _, d := range dirs {
		if _, err := os.Stat(d); err != nil {
			return directoryError(filepath.Dir(d), err)
		}
	}
	return nil
}

// validID reports whether the id can be a file's name. Ids come from URLs.
func validID(id string) bool {
	return id != "." && filepath.IsLocal(id) && filepath.Base(id) == id
}
