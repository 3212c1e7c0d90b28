package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/soundextract/sx/server/api/tus"
)

// fileDigest is the SHA-256 digest of a file, computed while it is uploaded.
type fileDigest struct {
	done chan struct{}
	sum  string // lower-case hex
	err  error
}

const hashBlock = 1 << 20

// startDigest starts reading the first size bytes of src, until ctx ends.
func startDigest(ctx context.Context, src io.ReaderAt, size int64) *fileDigest {
	d := &fileDigest{done: make(chan struct{})}
	go func() {
		defer close(d.done)
		hash, block := sha256.New(), make([]byte, hashBlock)
		for at := int64(0); at < size; at += hashBlock {
			if d.err = ctx.Err(); d.err != nil {
				return
			}
			part := block[:min(hashBlock, size-at)]
			if n, err := src.ReadAt(part, at); n < len(part) {
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				d.err = &tus.SourceError{Err: err}
				return
			}
			hash.Write(part)
		}
		d.sum = hex.EncodeToString(hash.Sum(nil))
	}()
	return d
}

// wait waits until the file has been read and returns the digest.
func (d *fileDigest) wait(ctx context.Context) (string, error) {
	select {
	case <-d.done:
		return d.sum, d.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
