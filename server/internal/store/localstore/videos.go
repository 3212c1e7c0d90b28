package localstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type videos struct {
	db  *database
	dir string
	// buffers holds *[bufferSize]byte for the pieces that are being appended.
	buffers sync.Pool

	mu    sync.Mutex
	locks map[string]*uploadLock // of the uploads that are being appended to
}

var _ store.Videos = (*videos)(nil)

func newVideos(db *database, dir string) *videos {
	return &videos{
		db: db, dir: dir, locks: map[string]*uploadLock{},
		buffers: sync.Pool{New: func() any { return new([bufferSize]byte) }},
	}
}

// upload is the record of an upload, and of the video that it becomes.
type upload struct {
	Name    string
	Size    int64
	Offset  int64  // bytes that are on the disk, with everything before them
	State   []byte // the marshalled SHA-256 of the bytes below Offset
	SHA256  string // once sealed
	Updated time.Time
}

// uploadRecords has no Rev: an upload is changed behind its gate.
var uploadRecords = records[upload]{bucket: bucketUploads, kind: "upload", hint: sx.CodeNotFound.Hint()}

func (v *videos) path(id string) string { return filepath.Join(v.dir, id) }

// reserve stays free at Create, so that the records can still grow when
// uploads have filled the disk.
const reserve = 64 << 20

func (v *videos) Create(ctx context.Context, id, name string, size int64) error {
	if !validID(id) || size < 0 {
		return sx.NewError(sx.CodeInvalid, "an upload %q of %d bytes cannot be", id, size)
	}
	free, err := freeBytes(v.dir)
	if err != nil {
		return wrapError("measuring the disk", err)
	}
	if free < uint64(size)+reserve {
		return sx.NewError(sx.CodeStorageFull, "the server has no room for %s (%s are free, and %s must stay so)",
			sx.FormatSize(size), sx.FormatSize(int64(free)), sx.FormatSize(reserve))
	}
	state, err := marshal(newHash())
	if err != nil {
		return err
	}
	u := upload{Name: name, Size: size, State: state, Updated: time.Now()}
	made := false
	err = v.db.update(ctx, "creating an upload", func(t tx) error {
		if err := uploadRecords.create(t, id, u); err != nil {
			return err
		}
		made = true
		// Made before the record is committed: a record has its file.
		f, err := os.OpenFile(v.path(id), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fileMode)
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), syncDir(v.dir))
	})
	if err != nil && made {
		_ = os.Remove(v.path(id)) // if it stays, List gives it to the sweep
	}
	return err
}

func (v *videos) Stat(ctx context.Context, id string) (up store.Upload, err error) {
	err = v.db.view(ctx, "looking at an upload", func(t tx) error {
		u, _, err := v.load(t, id)
		up = u.upload(id)
		return err
	})
	return up, err
}

func (u upload) upload(id string) store.Upload {
	return store.Upload{ID: id, Name: u.Name, Size: u.Size, Offset: u.Offset, SHA256: u.SHA256, Updated: u.Updated}
}

// load reads the record and holds it against the file: an upload whose file
// lost bytes that were promised is not intact, and back at the start.
func (v *videos) load(t tx, id string) (u upload, intact bool, err error) {
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
	u.State, err = marshal(newHash())
	return u, false, err
}

func (v *videos) Complete(ctx context.Context, id string) (up store.Upload, err error) {
	err = v.db.update(ctx, "sealing a video", func(t tx) error {
		u, _, err := v.load(t, id)
		if err != nil {
			return err
		}
		if u.Offset != u.Size {
			return sx.NewError(sx.CodeConflict, "upload %s has %d of %d bytes", id, u.Offset, u.Size).
				WithHint("%s", sx.CodeOffsetConflict.Hint())
		}
		if u.SHA256 == "" {
			h, err := unmarshal(u.State)
			if err != nil {
				return err
			}
			u.SHA256 = hex.EncodeToString(h.Sum(nil))
		}
		up = u.upload(id)
		return uploadRecords.put(t, id, u)
	})
	return up, err
}

func (v *videos) Open(ctx context.Context, id string) (store.Blob, error) {
	var u upload
	err := v.db.view(ctx, "opening a video", func(t tx) (err error) {
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
		return nil, fmt.Errorf("opening video %s: %w", id, err)
	}
	if b.size != u.Size {
		return nil, errors.Join(fmt.Errorf("video %s has %d of %d bytes on the disk", id, b.size, u.Size), b.Close())
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
	l.newest++ // whoever is appending stores nothing more
	// The file goes first: a crash in between leaves a record, which List still
	// gives and Remove can remove.
	return v.db.update(ctx, "removing a video", func(t tx) error {
		if err := os.Remove(v.path(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return t.Bucket(bucketUploads).Delete([]byte(id))
	})
}

// List gives files without a record too: a crash during Create or a lost sx.db
// leaves them.
func (v *videos) List(ctx context.Context) ([]string, error) {
	ids := map[string]bool{}
	err := v.db.view(ctx, "listing videos", func(t tx) error {
		return t.Bucket(bucketUploads).ForEach(func(k, _ []byte) error {
			ids[string(k)] = true
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	names, err := fileNames(v.dir)
	if err != nil {
		return nil, wrapError("listing videos", err)
	}
	for _, n := range names {
		ids[n] = true
	}
	return slices.Sorted(maps.Keys(ids)), nil
}
