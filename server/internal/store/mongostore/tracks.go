package mongostore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type tracks struct {
	records collection // trackRecord
	bucket  bucket
	now     func() time.Time
}

var _ store.Tracks = (*tracks)(nil)

const (
	// putBatch is how many chunks of a track are stored with one command.
	putBatch = 4
	// boundStep is by how many chunks (64 MiB) a record's Bound grows.
	boundStep = 256
)

func (s *tracks) Put(ctx context.Context, id, name string, src io.Reader) (store.Digest, error) {
	if id == "" || strings.Contains(id, "/") {
		return store.Digest{}, sx.NewError(sx.CodeInvalid, "a track cannot have the id %q", id)
	}
	_, r, err := s.update(ctx, id, func(r *trackRecord) error {
		r.Versions++
		r.Bound = max(r.Bound, boundStep)
		return nil
	})
	if err != nil {
		return store.Digest{}, err
	}
	version := r.Versions
	d, err := s.write(ctx, r, version, src)
	if err == nil {
		err = s.bucket.insertFile(ctx, fileDoc{
			ID: r.file(version), Length: d.Size, ChunkSize: chunkSize, Uploaded: s.now(), Name: name,
			Metadata: fileMetadata{SHA256: d.SHA256, Track: id},
		})
	}
	if err == nil {
		err = s.publish(ctx, id, version, d)
	}
	if err != nil {
		// ctx may be why. What cannot be deleted now goes with the track.
		_ = s.discard(context.WithoutCancel(ctx), id, version)
		return store.Digest{}, err
	}
	return d, nil
}

// write stores all of src as the chunks of a version.
func (s *tracks) write(ctx context.Context, r trackRecord, version int, src io.Reader) (store.Digest, error) {
	var d store.Digest
	h, file, buf := newHash(), r.file(version), make([]byte, putBatch*chunkSize)
	for n := 0; ; n += putBatch {
		if n+putBatch > r.Bound {
			var err error
			if _, r, err = s.update(ctx, r.ID, func(r *trackRecord) error {
				r.Bound = max(r.Bound, n+boundStep)
				return nil
			}); err != nil {
				return d, err
			}
		}
		k, srcErr := fill(ctx, src, buf)
		h.Write(buf[:k])
		d.Size += int64(k)
		if err := s.insert(ctx, file, n, buf[:k]); err != nil {
			return d, err
		}
		switch {
		case errors.Is(srcErr, io.EOF):
			d.SHA256 = hexSum(h)
			return d, nil
		case srcErr != nil:
			return d, fmt.Errorf("storing a track: %w", srcErr)
		}
	}
}

// fill reads until buf is full; its error is src's, io.EOF at the end.
func fill(ctx context.Context, src io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		if err = ctx.Err(); err == nil {
			var k int
			k, err = src.Read(buf[n:])
			n += k
		}
	}
	return n, err
}

func (s *tracks) insert(ctx context.Context, file string, n int, data []byte) error {
	var chunks []chunkDoc
	for ; len(data) > 0; n++ {
		k := min(chunkSize, len(data))
		chunks = append(chunks, chunkDoc{ID: chunkID(file, 0, n), File: file, N: int32(n), Data: data[:k]})
		data = data[k:]
	}
	if len(chunks) == 0 {
		return nil
	}
	taken, err := s.bucket.insert(ctx, chunks)
	if err == nil && len(taken) > 0 {
		err = fmt.Errorf("chunk %d of %s is there already", taken[0].N, file)
	}
	return err
}

var errRemoved = sx.NewError(sx.CodeConflict, "the track was removed while it was being stored")

// publish makes the version the track, and deletes the one that was. A Put that
// began later and is done is left in place, as if it had come after this one.
func (s *tracks) publish(ctx context.Context, id string, version int, d store.Digest) error {
	old, _, err := s.update(ctx, id, func(r *trackRecord) error {
		switch {
		case version <= r.RemovedUpTo || version > r.Versions:
			return errRemoved
		case version <= r.Current:
			return errUnchanged
		}
		r.Current, r.Size, r.SHA256, r.ChunkSize = version, d.Size, d.SHA256, chunkSize
		return nil
	})
	// What cannot be deleted now goes with the track.
	switch {
	case errors.Is(err, errUnchanged):
		_ = s.discard(ctx, id, version)
		return nil
	case err == nil && old.Current > 0:
		_ = s.delete(ctx, old, old.Current)
	}
	return err
}

// discard deletes a version that is not visible. Changing the record before
// sees to it that it does not become visible after, by a write that is still on
// its way.
func (s *tracks) discard(ctx context.Context, id string, version int) error {
	_, r, err := s.update(ctx, id, func(r *trackRecord) error {
		if r.Current == version {
			return errUnchanged
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.delete(ctx, r, version)
}

func (s *tracks) delete(ctx context.Context, r trackRecord, version int) error {
	if err := s.bucket.deleteFile(ctx, r.file(version)); err != nil {
		return err
	}
	return s.bucket.delete(ctx, r.chunkIDs(version))
}

func (s *tracks) Open(ctx context.Context, id string) (store.Blob, error) {
	r, err := s.current(ctx, id)
	if err != nil {
		return nil, err
	}
	epoch := func(int) int { return 0 } // nobody else writes to a version
	return newBlob(ctx, s.bucket, r.file(r.Current), r.Size, r.ChunkSize, epoch), nil
}

// Remove treats the record as videos.Remove does.
func (s *tracks) Remove(ctx context.Context, id string) error {
	was, is, err := s.update(ctx, id, func(r *trackRecord) error {
		if r.Rev == 0 {
			return errUnchanged // there is none
		}
		r.RemovedUpTo, r.Current = r.Versions, 0
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	for v := 1; v <= is.Versions && err == nil; v++ {
		err = s.delete(ctx, was, v)
	}
	if err == nil && s.expired(was) {
		_, err = s.records.delete(ctx, atRev(id, is.Rev))
	}
	return err
}

// expired reports whether the track was removed so long ago that nothing is
// on its way to it any more.
func (s *tracks) expired(r trackRecord) bool {
	return r.Current == 0 && r.RemovedUpTo == r.Versions && s.now().Sub(r.Updated) >= tombstoneLife
}

// putTimeout is how long nothing is heard of a Put that may have died. A live
// one that is so slow is listed too: whether a track is wanted is not asked here.
const putTimeout = time.Minute

// abandoned reports whether only a Put that came to nothing has left its traces.
func (s *tracks) abandoned(r trackRecord) bool {
	return r.Current == 0 && r.RemovedUpTo < r.Versions && s.now().Sub(r.Updated) >= putTimeout
}

func (s *tracks) List(ctx context.Context) ([]string, error) {
	rs, err := list[trackRecord](ctx, s.records, bson.D{},
		options.Find().SetProjection(bson.D{
			{Key: "current", Value: 1}, {Key: "removed_up_to", Value: 1}, {Key: "versions", Value: 1}, {Key: "updated", Value: 1},
		}))
	var ids []string
	for _, r := range rs {
		if r.Current > 0 || s.abandoned(r) || s.expired(r) {
			ids = append(ids, r.ID)
		}
	}
	return ids, err
}
