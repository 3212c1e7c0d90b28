package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/soundextract/sx/server/digest"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type videos struct {
	db    *database
	files *shards
	// buffers contains *[bufferSize]byte for the Appends.
	buffers sync.Pool

	mu    sync.Mutex
	locks map[string]*uploadLock // of the uploads that are being appended to
}

var _ store.Videos = (*videos)(nil)

func newVideos(db *database, dir string) *videos {
	return &videos{
		db: db, files: newShards(dir), locks: map[string]*uploadLock{},
		buffers: sync.Pool{New: func() any { return new([bufferSize]byte) }},
	}
}

// uploadRecord is the record of an upload, and of the video that it becomes.
type uploadRecord struct {
	Name        string
	Size        int64
	Offset      int64  // all bytes below it are on disk
	DigestState []byte // see digest.SHA256, of the bytes below Offset
	SHA256      string // once complete
	Updated     time.Time
}

// uploadRecords has no Rev: an upload is changed under its uploadLock.
var uploadRecords = records[uploadRecord]{bucket: bucketUploads, kind: "upload"}

func (v *videos) path(id string) string { return v.files.path(id) }

// minFree is what Create leaves free in any case, so that the records can still grow.
const minFree = 64 << 20

func (v *videos) Create(ctx context.Context, id, name string, size int64) error {
	if !validID(id) || size < 0 {
		return sx.NewError(sx.CodeInvalid, "invalid upload: ID %q, %d bytes", id, size)
	}
	if err := store.CheckName(name); err != nil {
		return err
	}
	disk, err := space(ctx, v.files.dir)
	if err != nil {
		return err
	}
	if size > disk.Free-minFree {
		return sx.NewError(sx.CodeStorageFull, "not enough disk space on the server for %s: %s is free",
			sx.FormatSize(size), sx.FormatSize(disk.Free))
	}
	state, err := digest.New().State()
	if err != nil {
		return err
	}
	u := uploadRecord{Name: name, Size: size, DigestState: state, Updated: time.Now()}
	created := false
	err = v.db.update(ctx, "create upload", func(t tx) error {
		if err := uploadRecords.create(t, id, u); err != nil {
			return err
		}
		created = true
		// The file is created before the record is committed, so that every
		// record has a file.
		if err := v.files.prepare(id); err != nil {
			return err
		}
		f, err := os.OpenFile(v.path(id), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fileMode)
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), syncDir(filepath.Dir(v.path(id))))
	})
	if err != nil && created {
		_ = os.Remove(v.path(id)) // if this fails, List reports it as an orphan
	}
	return err
}

func (v *videos) Stat(ctx context.Context, id string) (up store.Upload, err error) {
	err = v.db.view(ctx, "read upload", func(t tx) error {
		u, _, err := v.load(t, id)
		up = u.upload(id)
		return err
	})
	return up, err
}

func (u uploadRecord) upload(id string) store.Upload {
	return store.Upload{ID: id, Name: u.Name, Size: u.Size, Offset: u.Offset, SHA256: u.SHA256, Updated: u.Updated}
}

// load reads the record and compares it with the file. An upload whose file has
// lost acknowledged bytes is not intact and starts over at offset 0.
func (v *videos) load(t tx, id string) (u uploadRecord, intact bool, err error) {
	if u, err = uploadRecords.get(t, id); err != nil || u.SHA256 != "" {
		return u, true, err
	}
	info, err := os.Stat(v.path(id))
	switch {
	case err == nil && info.Size() >= u.Offset:
		return u, true, nil
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return u, false, err
	}
	u.Offset = 0
	u.DigestState, err = digest.New().State()
	return u, false, err
}

func (v *videos) Complete(ctx context.Context, id string) (up store.Upload, err error) {
	err = v.db.update(ctx, "complete video", func(t tx) error {
		u, _, err := v.load(t, id)
		if err != nil {
			return err
		}
		if u.Offset != u.Size {
			return sx.NewError(sx.CodeConflict, "upload %s has %d of %d bytes", id, u.Offset, u.Size).
				WithHint("%s", sx.CodeOffsetConflict.Hint())
		}
		if u.SHA256 == "" {
			h, err := digest.Resume(u.DigestState)
			if err != nil {
				return err
			}
			u.SHA256 = h.Hex()
		}
		up = u.upload(id)
		return uploadRecords.put(t, id, u)
	})
	return up, err
}

func (v *videos) Open(ctx context.Context, id string) (store.Blob, error) {
	var u uploadRecord
	err := v.db.view(ctx, "open video", func(t tx) (err error) {
		u, err = uploadRecords.get(t, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if u.SHA256 == "" {
		return nil, sx.NewError(sx.CodeNotFound, "video %s is not complete", id)
	}
	b, err := openBlob(ctx, v.path(id))
	if err != nil {
		return nil, fmt.Errorf("open video %s: %w", id, err)
	}
	if b.Size() != u.Size {
		return nil, errors.Join(fmt.Errorf("video %s has %d of %d bytes on disk", id, b.Size(), u.Size), b.Close())
	}
	return b, nil
}

func (v *videos) Remove(ctx context.Context, id string) error {
	if !validID(id) {
		return nil
	}
	l := v.acquireLock(id)
	defer v.releaseLock(id, l)
	defer l.lock()()
	l.newest++ // fences off a running Append
	// The file is removed first: a crash in between leaves a record, which List
	// still reports and Remove can still delete.
	return v.db.updateAlways(ctx, "remove video", func(t tx) error {
		if err := os.Remove(v.path(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return t.Bucket(bucketUploads).Delete([]byte(id))
	})
}

// The phases of List, with which its cursors begin.
const (
	phaseRecords = "records/"
	phaseFiles   = "files/"
)

// List returns the uploads that have a record, and then the files that have none: a
// crash during Create, or the loss of sx.db, leaves them.
func (v *videos) List(ctx context.Context, cursor string, limit int) (ids []string, next string, err error) {
	if after, ok := strings.CutPrefix(cursor, phaseFiles); ok {
		return v.unrecorded(ctx, after, limit)
	}
	after, _ := strings.CutPrefix(cursor, phaseRecords)
	err = v.db.view(ctx, "list videos", func(t tx) error {
		c := t.Bucket(bucketUploads).Cursor()
		for k, _ := c.Seek([]byte(after + "\x00")); k != nil; k, _ = c.Next() {
			if len(ids) == limit {
				next = phaseRecords + ids[len(ids)-1]
				return nil
			}
			ids = append(ids, string(k))
		}
		return nil
	})
	switch {
	case err != nil || next != "":
		return ids, next, err
	case len(ids) == limit:
		return ids, phaseFiles, nil
	}
	files, next, err := v.unrecorded(ctx, "", limit-len(ids))
	return append(ids, files...), next, err
}

// unrecorded returns those of a page of files that have no record.
func (v *videos) unrecorded(ctx context.Context, cursor string, limit int) (ids []string, next string, err error) {
	names, next, err := v.files.list(cursor, limit)
	if err != nil {
		return nil, "", wrapError("list videos", err)
	}
	err = v.db.view(ctx, "list videos", func(t tx) error {
		for _, n := range names {
			if t.Bucket(bucketUploads).Get([]byte(n)) == nil {
				ids = append(ids, n)
			}
		}
		return nil
	})
	if next != "" {
		next = phaseFiles + next
	}
	return ids, next, err
}
