package store

import (
	"context"
	"fmt"
	"io"
)

// Digest identifies stored bytes.
type Digest struct {
	Size   int64
	SHA256 string // lower-case hex
}

// Head is the beginning of a track whose bytes are known only once the rest has
// been produced: an MP3's tag and its Info frame. A zero Head is none.
type Head struct {
	// Size is how many bytes the head has, at most 32 MiB, so that it may be kept
	// in memory.
	Size int
	// Bytes returns the head. It is called once, when the body has ended without
	// an error.
	Bytes func() ([]byte, error)
}

// Read calls Bytes and checks the size of its result. Adapters call it.
func (h Head) Read() ([]byte, error) {
	if h.Bytes == nil && h.Size == 0 {
		return nil, nil
	}
	b, err := h.Bytes()
	if err == nil && len(b) != h.Size {
		return nil, fmt.Errorf("the head of the track has %d bytes, want %d", len(b), h.Size)
	}
	return b, err
}

// Tracks stores finished MP3s, each of which arrives in one call.
type Tracks interface {
	// Put stores the head, followed by all of body, under the ID. It stores the
	// bytes of body as they arrive, so its memory use does not depend on their
	// number. The track becomes visible, in place of an earlier one, only when it
	// is stored completely. An error of body or of the head fails the Put, and so
	// does a head of another size than announced.
	Put(ctx context.Context, id, name string, head Head, body io.Reader) (Digest, error)
	Open(ctx context.Context, id string) (Blob, error)
	// Remove deletes the track. It succeeds if there is none.
	Remove(ctx context.Context, id string) error
	// List returns the IDs of at most limit tracks, as Videos.List does.
	List(ctx context.Context, cursor string, limit int) (ids []string, next string, err error)
}

// Blob reads stored bytes. The ctx of Open applies to all its reads. It must not
// be used by several goroutines at the same time. ReadAt does not move the offset.
type Blob interface {
	io.ReadSeekCloser
	io.ReaderAt
	Size() int64
}
