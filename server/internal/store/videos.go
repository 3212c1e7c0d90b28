package store

import (
	"context"
	"io"
	"time"
)

// Upload is a video that is being uploaded, or was.
type Upload struct {
	ID      string
	Name    string
	Size    int64     // bytes in total
	Offset  int64     // bytes that are durably stored
	SHA256  string    // lower-case hex, of the whole video; "" until it is complete
	Updated time.Time // when bytes last arrived
}

// Videos stores videos, which arrive in several requests over hours. A video is
// complete once Complete has succeeded; until then it is an upload.
type Videos interface {
	// Create starts an upload. If the volume has no space for Size bytes, it stores
	// nothing and returns an *sx.Error of code storage_full. If the ID exists,
	// it returns an *sx.Error of code conflict.
	Create(ctx context.Context, id, name string, size int64) error
	// Stat returns the state of the upload. Every byte below Offset survives a
	// crash of the process.
	Stat(ctx context.Context, id string) (Upload, error)
	// Append stores what it reads from src, from the given offset on, and returns
	// how many of these bytes are durably stored, even if it returns an error.
	// The end of src, by io.EOF or another error, only ends this call; an error
	// of src is not returned. If ctx ends, Append stores what it has read and
	// then returns ctx.Err(). Its memory use does not depend on how much it
	// reads.
	//
	// If offset is not the stored one, or src has more bytes than Size allows,
	// Append returns an *sx.Error of code offset_conflict. The newest Append
	// wins: as soon as it has started, an older one on the same upload, in any
	// process, stores nothing more and returns offset_conflict. If the disk is
	// full, it returns an *sx.Error of code storage_full; bytes stored before
	// remain stored.
	Append(ctx context.Context, id string, offset int64, src io.Reader) (int64, error)
	// Complete computes the digest of an upload that has all its bytes, and makes
	// the video readable. It may be called again, even after a crash midway,
	// and returns the same. If the upload lacks bytes, it returns an *sx.Error
	// of code conflict.
	Complete(ctx context.Context, id string) (Upload, error)
	// Open opens a complete video for reading. If the video is not complete, it
	// returns an *sx.Error of code not_found.
	Open(ctx context.Context, id string) (Blob, error)
	// Remove deletes the upload or video. It succeeds if there is none.
	Remove(ctx context.Context, id string) error
	// List returns the IDs of at most limit uploads and videos, for the deletion of
	// orphans, in an order of the store's own. cursor is "" or what an earlier call
	// returned as next; next is "" after the last one. An ID that exists during the whole
	// pass is returned once.
	List(ctx context.Context, cursor string, limit int) (ids []string, next string, err error)
}
