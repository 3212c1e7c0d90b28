package localstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/digest"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// tracks needs no records: a track is visible once its file has been renamed
// into the directory.
type tracks struct {
	dir, tmp string
}

var _ store.Tracks = (*tracks)(nil)

func (s *tracks) path(id string) string { return filepath.Join(s.dir, id) }

// Put ignores the name: the file is named after the ID.
func (s *tracks) Put(ctx context.Context, id, _ string, src io.Reader) (store.Digest, error) {
	if !validID(id) {
		return store.Digest{}, sx.NewError(sx.CodeInvalid, "invalid track ID %q", id)
	}
	f, err := os.CreateTemp(s.tmp, id+"-*") // created with fileMode
	if err != nil {
		return store.Digest{}, wrapError("store track", err)
	}
	d, err := copyAndHash(ctx, f, src)
	if err != nil {
		// If it cannot be removed, the next Open empties tmp.
		_ = f.Close()
		_ = os.Remove(f.Name())
	} else {
		err = atomicfile.Commit(f, s.path(id))
	}
	if err != nil {
		return store.Digest{}, wrapError("store track", err)
	}
	return d, nil
}

func copyAndHash(ctx context.Context, dst io.Writer, src io.Reader) (store.Digest, error) {
	h := digest.New()
	n, err := io.Copy(io.MultiWriter(dst, h), readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return src.Read(p)
	}))
	return store.Digest{Size: n, SHA256: h.Hex()}, err
}

type readerFunc func([]byte) (int, error)

func (r readerFunc) Read(p []byte) (int, error) { return r(p) }

func (s *tracks) Open(ctx context.Context, id string) (store.Blob, error) {
	notFound := sx.NewError(sx.CodeNotFound, "track %s not found", id)
	if !validID(id) {
		return nil, notFound
	}
	b, err := openBlob(ctx, s.path(id))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, notFound
	case err != nil:
		return nil, fmt.Errorf("open track %s: %w", id, err)
	}
	return b, nil
}

func (s *tracks) Remove(_ context.Context, id string) error {
	if !validID(id) {
		return nil
	}
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove track %s: %w", id, err)
	}
	return nil
}

func (s *tracks) List(context.Context) ([]string, error) {
	names, err := fileNames(s.dir)
	return names, wrapError("list tracks", err)
}

// fileNames returns the names of the directory's files, sorted.
func fileNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}
