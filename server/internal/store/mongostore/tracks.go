package mongostore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/digest"
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
	// A record's ChunkBound begins with firstBound (4 MiB) and doubles, but grows by
	// at most maxBoundStep (64 MiB): the chunks below it that do not exist are deleted
	// with the others, which takes as long.
	firstBound   = 16
	maxBoundStep = 256
)

// trackRecord says which GridFS file is the track. Each Put writes a file of its
// own, a version, which becomes visible by a compare-and-set on the record's rev.
type trackRecord struct {
	ID  string `bson:"_id"`
	Rev int64  `bson:"rev"`

	// Versions is the number of Puts. All their chunks have numbers below
	// ChunkBound.
	Versions   int `bson:"versions"`
	ChunkBound int `bson:"chunk_bound"`
	// RemovedUpTo is the last version that had started when Remove was called:
	// none up to it may become visible.
	RemovedUpTo int `bson:"removed_up_to"`

	// Current is the version that is visible, 0 for none. The other fields
	// describe it.
	Current   int    `bson:"current"`
	Size      int64  `bson:"size"`
	SHA256    string `bson:"sha256"`
	ChunkSize int    `bson:"chunk_size"`

	Updated time.Time `bson:"updated"` // when the record was last changed
}

// file returns the GridFS _id of a version. The first version, which is nearly
// always the only one, has the track's own ID.
func (r trackRecord) file(version int) string {
	if version == 1 {
		return r.ID
	}
	return r.ID + "/" + strconv.Itoa(version)
}

// chunkIDs returns the _ids of the chunks that a version has or may have.
func (r trackRecord) chunkIDs(version int) iter.Seq[bson.ObjectID] {
	n := r.ChunkBound
	if version == r.Current {
		n = chunkCount(r.Size, r.ChunkSize)
	}
	file := r.file(version)
	return func(yield func(bson.ObjectID) bool) {
		for i := range n {
			if !yield(chunkID(file, 0, i)) {
				return
			}
		}
	}
}

// update changes the record, an empty one if there is none, by store.Update. It
// also returns the record as it was before.
func (s *tracks) update(ctx context.Context, id string, change func(r *trackRecord) error) (before, after trackRecord, err error) {
	after, err = store.Update(ctx, id, s.load, s.replace, func(r *trackRecord) error {
		before = *r
		if err := change(r); err != nil {
			return err
		}
		r.Updated = s.now()
		return nil
	})
	if err == nil {
		after.Rev++
	}
	return before, after, err
}

// load reads the record. If there is none, it returns an empty one with Rev 0.
func (s *tracks) load(ctx context.Context, id string) (trackRecord, error) {
	r, err := get[trackRecord](ctx, s.records, id)
	if errors.Is(err, errNotFound) {
		return trackRecord{ID: id}, nil
	}
	return r, err
}

func (s *tracks) replace(ctx context.Context, r trackRecord) error {
	rev := r.Rev
	r.Rev++
	if rev == 0 {
		err := s.records.insert(ctx, r)
		if errors.Is(err, errExists) {
			return store.ErrStale
		}
		return err
	}
	matched, err := s.records.replace(ctx, atRev(r.ID, rev), r)
	if err == nil && !matched {
		return store.ErrStale
	}
	return err
}

func (s *tracks) Put(ctx context.Context, id, name string, head store.Head, body io.Reader) (store.Digest, error) {
	if id == "" || strings.Contains(id, "/") {
		return store.Digest{}, sx.NewError(sx.CodeInvalid, "invalid track ID %q", id)
	}
	_, r, err := s.update(ctx, id, func(r *trackRecord) error {
		r.Versions++
		r.ChunkBound = max(r.ChunkBound, firstBound)
		return nil
	})
	if err != nil {
		return store.Digest{}, err
	}
	version := r.Versions
	d, err := s.write(ctx, r, version, head, body)
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
		// ctx may have ended. What is not deleted now is deleted with the track, which
		// List returns if it has no other version: a database that was unavailable is
		// not given more work.
		clean := context.WithoutCancel(ctx)
		if r, fenceErr := s.fence(clean, id, version); fenceErr == nil && sx.CodeOf(err) != sx.CodeUnavailable {
			_ = s.delete(clean, r, version)
		}
		return store.Digest{}, err
	}
	return d, nil
}

// write stores the head and all of body as the chunks of a version. The chunks that
// contain the head are stored last. The digest starts with the head, so the others
// are read again for it.
func (s *tracks) write(ctx context.Context, r trackRecord, version int, head store.Head, body io.Reader) (store.Digest, error) {
	last := chunkCount(int64(head.Size), chunkSize)  // the chunks that contain the head
	beside := make([]byte, last*chunkSize-head.Size) // the first bytes of body, in the last of them
	k, err := readFull(ctx, body, beside)
	beside = beside[:k]
	d := store.Digest{Size: int64(head.Size + k)}
	switch {
	case err == nil:
		var n int64
		n, err = s.insertAll(ctx, r, version, last, body)
		d.Size += n
	case errors.Is(err, io.EOF):
		err = nil
	}
	if err != nil {
		return d, fmt.Errorf("store track: %w", err)
	}
	first, err := head.Read()
	if err != nil {
		return d, fmt.Errorf("store track: %w", err)
	}
	h := digest.New()
	top := io.TeeReader(io.MultiReader(bytes.NewReader(first), bytes.NewReader(beside)), h)
	if _, err := s.insertAll(ctx, r, version, 0, top); err != nil {
		return d, fmt.Errorf("store track: %w", err)
	}
	rest := s.open(ctx, r.file(version), d.Size, chunkSize)
	defer rest.Close() //nolint:errcheck // it was only read
	if _, err := rest.Seek(int64(last)*chunkSize, io.SeekStart); err != nil {
		return d, fmt.Errorf("compute the digest of a track: %w", err)
	}
	if _, err := io.Copy(h, rest); err != nil {
		return d, fmt.Errorf("compute the digest of a track: %w", err)
	}
	d.SHA256 = h.Hex()
	return d, nil
}

// insertAll stores all of src as chunks with the numbers from n on, and returns how
// many bytes these are.
func (s *tracks) insertAll(ctx context.Context, r trackRecord, version, n int, src io.Reader) (size int64, err error) {
	file, buf := r.file(version), make([]byte, putBatch*chunkSize)
	for ; err == nil; n += putBatch {
		if n+putBatch > r.ChunkBound {
			if _, r, err = s.update(ctx, r.ID, func(r *trackRecord) error {
				r.ChunkBound = max(r.ChunkBound, n+min(max(n, firstBound), maxBoundStep))
				return nil
			}); err != nil {
				return size, err
			}
		}
		var k int
		k, err = readFull(ctx, src, buf)
		if err := s.insert(ctx, file, n, buf[:k]); err != nil {
			return size, err
		}
		size += int64(k)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return size, err
}

// readFull reads until buf is full. An error is that of src or ctx; at the end of
// src it is io.EOF.
func readFull(ctx context.Context, src io.Reader, buf []byte) (n int, err error) {
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
	occupied, err := s.bucket.insert(ctx, chunks)
	if err == nil && len(occupied) > 0 {
		err = fmt.Errorf("chunk %d of %s already exists", occupied[0].N, file)
	}
	return err
}

var errRemoved = sx.NewError(sx.CodeConflict, "the track was removed while it was being stored")

// publish makes the version visible and deletes the previous one. If a Put that
// started later has already been published, it stays visible, as if it had come
// after this one.
func (s *tracks) publish(ctx context.Context, id string, version int, d store.Digest) error {
	before, _, err := s.update(ctx, id, func(r *trackRecord) error {
		switch {
		case version <= r.RemovedUpTo || version > r.Versions:
			return errRemoved
		case version <= r.Current:
			return store.ErrUnchanged
		}
		r.Current, r.Size, r.SHA256, r.ChunkSize = version, d.Size, d.SHA256, chunkSize
		return nil
	})
	// What cannot be deleted now is deleted with the track.
	switch {
	case errors.Is(err, store.ErrUnchanged):
		_ = s.discard(ctx, id, version)
		return nil
	case err == nil && before.Current > 0:
		_ = s.delete(ctx, before, before.Current)
	}
	return err
}

// fence changes the record of a version that is not visible, so that no write in flight
// can still make it visible.
func (s *tracks) fence(ctx context.Context, id string, version int) (trackRecord, error) {
	_, r, err := s.update(ctx, id, func(r *trackRecord) error {
		if r.Current == version {
			return store.ErrUnchanged
		}
		return nil
	})
	return r, err
}

// discard deletes a version that is not visible.
func (s *tracks) discard(ctx context.Context, id string, version int) error {
	r, err := s.fence(ctx, id, version)
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
	r, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.Current == 0 {
		return nil, sx.NewError(sx.CodeNotFound, "track %s not found", id)
	}
	return s.open(ctx, r.file(r.Current), r.Size, r.ChunkSize), nil
}

func (s *tracks) open(ctx context.Context, file string, size int64, chunk int) *blob {
	epoch := func(int) int { return 0 } // each version has only one writer
	return newBlob(ctx, s.bucket, file, size, chunk, epoch)
}

// Remove leaves a tombstone, as videos.Remove does.
func (s *tracks) Remove(ctx context.Context, id string) error {
	before, after, err := s.update(ctx, id, func(r *trackRecord) error {
		if r.Rev == 0 {
			return store.ErrUnchanged // there is no record
		}
		r.RemovedUpTo, r.Current = r.Versions, 0
		return nil
	})
	if errors.Is(err, store.ErrUnchanged) {
		return nil
	}
	for v := 1; v <= after.Versions && err == nil; v++ {
		err = s.delete(ctx, before, v)
	}
	if err == nil && s.expired(before) {
		_, err = s.records.delete(ctx, atRev(id, after.Rev))
	}
	return err
}

// expired reports whether the record is a tombstone that is no longer needed.
func (s *tracks) expired(r trackRecord) bool {
	return r.Current == 0 && r.RemovedUpTo == r.Versions && s.now().Sub(r.Updated) >= tombstoneLifetime
}

// putTimeout is the time without progress after which a Put counts as abandoned.
// A slow one that is still running is listed too: that is harmless, because List
// does not say whether a track is still wanted.
const putTimeout = time.Minute

// abandoned reports whether the record only has versions that never became
// visible.
func (s *tracks) abandoned(r trackRecord) bool {
	return r.Current == 0 && r.RemovedUpTo < r.Versions && s.now().Sub(r.Updated) >= putTimeout
}

// List returns the IDs in their order; a cursor is the last one.
func (s *tracks) List(ctx context.Context, cursor string, limit int) (ids []string, next string, err error) {
	rs, err := page[trackRecord](ctx, s.records, cursor, limit, "current", "removed_up_to", "versions", "updated")
	for _, r := range rs {
		if r.Current > 0 || s.abandoned(r) || s.expired(r) {
			ids = append(ids, r.ID)
		}
	}
	if len(rs) == limit {
		next = rs[limit-1].ID
	}
	return ids, next, err
}
