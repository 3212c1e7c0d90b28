package mongostore

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/semaphore"

	"github.com/soundextract/sx/server/digest"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type videos struct {
	uploads collection // uploadDoc
	bucket  bucket
	now     func() time.Time
	extra   *semaphore.Weighted // see extraBuffers
}

var _ store.Videos = (*videos)(nil)

// uploadDoc is the record of an upload, and of the video that it becomes. Every
// change is a compare-and-set on its rev, including those of an Append, so each
// change fences off the Append that was running.
type uploadDoc struct {
	ID        string `bson:"_id"`
	Rev       int64  `bson:"rev"`
	Name      string `bson:"name"`
	Size      int64  `bson:"size"`
	ChunkSize int    `bson:"chunk_size"`

	// Offset is the number of bytes that are stored: those in full chunks, and
	// the remaining ones in Tail. The last chunk of the file counts as full.
	Offset int64  `bson:"offset"`
	Tail   []byte `bson:"tail"`
	// DigestState is the state of a digest.SHA256 of the bytes in full chunks.
	DigestState []byte `bson:"digest_state"`

	// Open says that an Append is running, or was interrupted so that it may
	// still have writes in flight.
	Open bool `bson:"open"`
	// Epochs contains, for each epoch, the chunk at which it started. The last
	// one is the newest; see doc.go.
	Epochs []int `bson:"epochs"`

	SHA256  string    `bson:"sha256"` // once complete
	Updated time.Time `bson:"updated"`
	Removed time.Time `bson:"removed"` // when Remove was first called; then the record is a tombstone
}

func newUploadDoc(id, name string, size int64, now time.Time) (uploadDoc, error) {
	state, err := digest.New().State()
	return uploadDoc{
		ID: id, Name: name, Size: size, ChunkSize: chunkSize, Tail: []byte{}, DigestState: state, Epochs: []int{0}, Updated: now, Rev: 1,
	}, err
}

func (u uploadDoc) upload() store.Upload {
	return store.Upload{ID: u.ID, Name: u.Name, Size: u.Size, Offset: u.Offset, SHA256: u.SHA256, Updated: u.Updated}
}

func (u uploadDoc) hasAllBytes() bool { return u.Offset == u.Size }

// chunks returns how many chunks the whole video has.
func (u uploadDoc) chunks() int { return chunkCount(u.Size, u.ChunkSize) }

// firstMissing returns the first chunk that is not stored in full.
func (u uploadDoc) firstMissing() int {
	if u.hasAllBytes() {
		return u.chunks()
	}
	return int(u.Offset / int64(u.ChunkSize))
}

// epoch returns the epoch of the valid chunk n.
func (u uploadDoc) epoch(n int) int {
	e := len(u.Epochs) - 1
	for e > 0 && u.Epochs[e] > n {
		e--
	}
	return e
}

// chunkIDs returns the _id of every chunk that an Append may have stored,
// including those that were never committed.
func (u uploadDoc) chunkIDs() iter.Seq[bson.ObjectID] {
	return func(yield func(bson.ObjectID) bool) {
		for e, from := range u.Epochs {
			to := u.firstMissing()
			if e+1 < len(u.Epochs) {
				to = u.Epochs[e+1]
			}
			for n := from; n < min(to+maxUncommitted, u.chunks()); n++ {
				if !yield(chunkID(u.ID, e, n)) {
					return
				}
			}
		}
	}
}

func (v *videos) Create(ctx context.Context, id, name string, size int64) error {
	if id == "" || strings.Contains(id, "/") || size < 0 {
		return sx.NewError(sx.CodeInvalid, "invalid upload: ID %q, %d bytes", id, size)
	}
	if err := store.CheckName(name); err != nil {
		return err
	}
	if err := v.bucket.checkSpace(ctx, size); err != nil {
		return err
	}
	u, err := newUploadDoc(id, name, size, v.now())
	if err != nil {
		return err
	}
	if err := v.uploads.insert(ctx, u); !errors.Is(err, errExists) {
		return err
	}
	exists := sx.NewError(sx.CodeConflict, "upload %s already exists", id)
	old, err := get[uploadDoc](ctx, v.uploads, id)
	switch {
	case errors.Is(err, errNotFound):
		return exists
	case err != nil:
		return err
	case old.Removed.IsZero():
		return exists
	}
	// Rev and epochs continue, so that an Append on the removed upload is fenced
	// off from the new one.
	u.Rev = old.Rev
	u.Epochs = make([]int, len(old.Epochs)+1)
	err = v.replace(ctx, u)
	if errors.Is(err, store.ErrStale) {
		return exists
	}
	return err
}

// load reads the record of an upload that is not removed.
func (v *videos) load(ctx context.Context, id string) (uploadDoc, error) {
	return v.loadWithout(ctx, id)
}

// loadWithout is load without the given fields.
func (v *videos) loadWithout(ctx context.Context, id string, fields ...string) (uploadDoc, error) {
	u, err := get[uploadDoc](ctx, v.uploads, id, fields...)
	if errors.Is(err, errNotFound) || err == nil && !u.Removed.IsZero() {
		err = sx.NewError(sx.CodeNotFound, "upload %s not found", id)
	}
	return u, err
}

// set changes fields of the record and increments its rev, if it still is the
// given one; or else it returns ErrStale.
func (v *videos) set(ctx context.Context, id string, rev int64, fields bson.D) error {
	fields = append(fields, bson.E{Key: "rev", Value: rev + 1})
	matched, err := v.uploads.update(ctx, atRev(id, rev), bson.D{{Key: "$set", Value: fields}})
	if err == nil && !matched {
		err = store.ErrStale
	}
	return err
}

// replace stores u with its rev incremented, if the record still has that rev; or
// else it returns ErrStale.
func (v *videos) replace(ctx context.Context, u uploadDoc) error {
	rev := u.Rev
	u.Rev++
	matched, err := v.uploads.replace(ctx, atRev(u.ID, rev), u)
	if err == nil && !matched {
		err = store.ErrStale
	}
	return err
}

func (v *videos) Stat(ctx context.Context, id string) (store.Upload, error) {
	u, err := v.loadWithout(ctx, id, "tail", "digest_state")
	if err != nil {
		return store.Upload{}, err
	}
	return u.upload(), nil
}

// Complete stores the files document first, which makes the video a GridFS file,
// and then the digest in the record, which makes it readable in this store.
func (v *videos) Complete(ctx context.Context, id string) (store.Upload, error) {
	inserted := false
	recordDigest := func(ctx context.Context, u uploadDoc) error {
		return v.set(ctx, id, u.Rev, bson.D{{Key: "sha256", Value: u.SHA256}})
	}
	u, err := store.Update(ctx, id, v.load, recordDigest, func(u *uploadDoc) error {
		switch {
		case u.SHA256 != "":
			return store.ErrUnchanged
		case !u.hasAllBytes():
			return sx.NewError(sx.CodeConflict, "upload %s has %d of %d bytes", id, u.Offset, u.Size).
				WithHint("%s", sx.CodeOffsetConflict.Hint())
		}
		h, err := digest.Resume(u.DigestState)
		if err != nil {
			return err
		}
		u.SHA256 = h.Hex()
		inserted = true
		return v.bucket.insertFile(ctx, fileDoc{
			ID: id, Length: u.Size, ChunkSize: int32(u.ChunkSize), Uploaded: v.now(), Name: u.Name,
			Metadata: fileMetadata{SHA256: u.SHA256},
		})
	})
	switch {
	case err == nil, errors.Is(err, store.ErrUnchanged):
		return u.upload(), nil
	case inserted && sx.CodeOf(err) == sx.CodeNotFound:
		// A concurrent Remove may have deleted the files document before it was
		// inserted.
		err = errors.Join(err, v.bucket.deleteFile(ctx, id))
	}
	return store.Upload{}, err
}

func (v *videos) Open(ctx context.Context, id string) (store.Blob, error) {
	u, err := v.loadWithout(ctx, id, "tail", "digest_state")
	if err != nil {
		return nil, err
	}
	if u.SHA256 == "" {
		return nil, sx.NewError(sx.CodeNotFound, "video %s is not complete", id)
	}
	return newBlob(ctx, v.bucket, id, u.Size, u.ChunkSize, u.epoch), nil
}

// tombstoneLifetime is how long the record of what was removed is kept: longer
// than a write in flight, of a process that was paused, can take to arrive.
const tombstoneLifetime = time.Hour

// Remove turns the record into a tombstone, which stops all reads and appends,
// and then deletes the bytes. The tombstone is deleted by a Remove that is called
// after tombstoneLifetime, once it has deleted what arrived late; List returns
// the ID from then on.
func (v *videos) Remove(ctx context.Context, id string) error {
	expired := false
	read := func(ctx context.Context, id string) (uploadDoc, error) { return get[uploadDoc](ctx, v.uploads, id) }
	u, err := store.Update(ctx, id, read, v.replace, func(u *uploadDoc) error {
		expired = v.expired(*u)
		if u.Removed.IsZero() {
			u.Removed = v.now()
		}
		u.Name, u.Tail, u.DigestState, u.SHA256 = "", nil, nil, ""
		return nil
	})
	if errors.Is(err, errNotFound) {
		return nil
	}
	if err == nil {
		err = v.bucket.deleteFile(ctx, id)
	}
	if err == nil {
		err = v.bucket.delete(ctx, u.chunkIDs())
	}
	if err == nil && expired {
		_, err = v.uploads.delete(ctx, atRev(id, u.Rev+1))
	}
	return err
}

// expired reports whether the record is a tombstone that is no longer needed.
func (v *videos) expired(u uploadDoc) bool {
	return !u.Removed.IsZero() && v.now().Sub(u.Removed) >= tombstoneLifetime
}

// List returns the IDs in their order; a cursor is the last one.
func (v *videos) List(ctx context.Context, cursor string, limit int) (ids []string, next string, err error) {
	us, err := page[uploadDoc](ctx, v.uploads, cursor, limit, "removed")
	for _, u := range us {
		if u.Removed.IsZero() || v.expired(u) {
			ids = append(ids, u.ID)
		}
	}
	if len(us) == limit {
		next = us[limit-1].ID
	}
	return ids, next, err
}
