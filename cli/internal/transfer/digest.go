package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	"github.com/soundextract/sx/server/api"
)

// hasDigest reports whether the file at path is the track.
func hasDigest(ctx context.Context, path string, track *api.Track) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != track.Size {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, contextReader{ctx, file})
	return err == nil && hex.EncodeToString(sum.Sum(nil)) == track.SHA256
}

// contextReader returns the error of its context once that has ended.
type contextReader struct {
	ctx context.Context //nolint:containedctx // used for one copy
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
