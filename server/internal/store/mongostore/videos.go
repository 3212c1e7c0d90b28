package mongostore

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type videos struct {
	uploads collection // uploadDoc
	bucket  bucket
	now     func() time.Time
}

var _ store.Videos = (*videos)(nil)

func (v *videos) Create(ctx context.Context, id, name string, size int64) error {
	if id == "" || strings.Contains(id, "/") || size < 0 {
		return sx.NewError(sx.CodeInvalid, "an upload %q of %d bytes cannot be", id, size)
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
	exists := sx.NewError(sx.CodeConflict, "there is an upload %s already", id)
	old, err := get[uploadDoc](ctx, v.uploads, id)
	switch {
	case errors.Is(err, errNotFound):
		return exists
	case err != nil:
		return err
	case old.Removed.IsZero():
		return exists
	}
	// Rev and epochs go on, so that an Append on the removed upload has no part
	// in the new one.
	u.Rev = old.Rev + 1
	u.Epochs = make([]int, len(old.Epochs)+1)
	matched, err := v.uploads.replace(ctx, atRev(id, old.Rev), u)
	if err == nil && !matched {
		err = exists
	}
	return err
}

// load reads the record of an upload that is not removed.
func (v *videos) load(ctx context.Context, id string, without ...string) (uploadDoc, error) {
	u, err := get[uploadDoc](ctx, v.uploads, id, without...)
	if errors.Is(err, errNotFound) || err == nil && !u.Removed.IsZero() {
		err = sx.NewError(sx.CodeNotFound, "there is no upload %s", id)
	}
	return u, err
}

func (v *videos) Stat(ctx context.Context, id string) (store.Upload, error) {
	u, err := v.load(ctx, id, "tail", "state")
	if err != nil {
		return store.Upload{}, err
	}
	return u.upload(), nil
}

// Complete stores the files document first: from then on the video is a GridFS
// file, and from the record's digest on it is one to this store too.
func (v *videos) Complete(ctx context.Context, id string) (store.Upload, error) {
	for {
		u, err := v.load(ctx, id)
		switch {
		case err != nil:
			return store.Upload{}, err
		case u.SHA256 != "":
			return u.upload(), nil
		case !u.complete():
			return store.Upload{}, sx.NewError(sx.CodeConflict, "upload %s has %d of %d bytes", id, u.Offset, u.Size).
				WithHint("%s", sx.CodeOffsetConflict.Hint())
		}
		h, err := unmarshal(u.State)
		if err != nil {
			return store.Upload{}, err
		}
		u.SHA256 = hexSum(h)
		file := fileDoc{
			ID: id, Length: u.Size, ChunkSize: int32(u.ChunkSize), Uploaded: v.now(), Name: u.Name,
			Metadata: fileMetadata{SHA256: u.SHA256},
		}
		if err := v.bucket.insertFile(ctx, file); err != nil {
			return store.Upload{}, err
		}
		matched, err := v.uploads.update(ctx, atRev(id, u.Rev), bson.D{{Key: "$set", Value: bson.D{
			{Key: "sha256", Value: u.SHA256}, {Key: "rev", Value: u.Rev + 1},
		}}})
		if err != nil {
			return store.Upload{}, err
		}
		if matched {
			return u.upload(), nil
		}
		// Overtaken by another Complete, or by Remove, which must not be left with a
		// files document.
		if _, err := v.load(ctx, id); sx.CodeOf(err) == sx.CodeNotFound {
			return store.Upload{}, errors.Join(err, v.bucket.deleteFile(ctx, id))
		}
	}
}

func (v *videos) Open(ctx context.Context, id string) (store.Blob, error) {
	u, err := v.load(ctx, id, "tail", "state")
	if err != nil {
		return nil, err
	}
	if u.SHA256 == "" {
		return nil, sx.NewError(sx.CodeNotFound, "video %s is not complete", id)
	}
	return newBlob(ctx, v.bucket, id, u.Size, u.ChunkSize, u.epoch), nil
}

// tombstoneLife is how long the record of what was removed is kept: longer than a
// write that was on its way, in a process that was paused, can take to arrive.
const tombstoneLife = time.Hour

// Remove marks the record, so that nobody reads or appends any more, then
// deletes the bytes. The record itself goes with a Remove that comes after
// tombstoneLife, once more with what has arrived late; List gives the id then.
func (v *videos) Remove(ctx context.Context, id string) error {
	for {
		u, err := get[uploadDoc](ctx, v.uploads, id)
		if errors.Is(err, errNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		old := !u.Removed.IsZero() && v.now().Sub(u.Removed) >= tombstoneLife
		before := u.Rev
		if u.Removed.IsZero() {
			u.Removed = v.now()
		}
		u.Rev++
		u.Name, u.Tail, u.State, u.SHA256 = "", nil, nil, ""
		matched, err := v.uploads.replace(ctx, atRev(id, before), u)
		if err != nil {
			return err
		}
		if !matched {
			continue
		}
		err = v.bucket.deleteFile(ctx, id)
		if err == nil {
			err = v.bucket.delete(ctx, u.chunkIDs())
		}
		if err == nil && old {
			_, err = v.uploads.delete(ctx, atRev(id, u.Rev))
		}
		return err
	}
}

func (v *videos) List(ctx context.Context) ([]string, error) {
	us, err := list[uploadDoc](ctx, v.uploads, bson.D{},
		options.Find().SetProjection(bson.D{{Key: "removed", Value: 1}}))
	var ids []string
	for _, u := range us {
		if u.Removed.IsZero() || v.now().Sub(u.Removed) >= tombstoneLife {
			ids = append(ids, u.ID)
		}
	}
	return ids, err
}
