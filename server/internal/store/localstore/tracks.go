package localstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// tracks needs no records: a rename makes a track visible, whole.
type tracks struct {
	dir, tmp string
}

var _ store.Tracks = (*tracks)(nil)

func (s *tracks) path(id string) string { return filepath.Join(s.dir, id) }

// Put needs no name: a file of the id is found by the id.
func (s *tracks) Put(ctx context.Context, id, _ string, src io.Reader) (store.Digest, error) {
	if !validID(id) {
		return store.Digest{}, sx.NewError(sx.CodeInvalid, "a track cannot have the id %q", id)
	}
	f, err := os.CreateTemp(s.tmp, id+"-*") // made with fileMode
	if err != nil {
		return store.Digest{}, wrapError("storing a track", err)
	}
	d, err := fill(ctx, f, src)
	if err == nil {
		err = os.Rename(f.Name(), s.path(id))
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // tmp is emptied at the next Open anyway
		return store.Digest{}, wrapError("storing a track", err)
	}
	return d, nil
}

// fill writes all of src to the file, syncs and closes it.
func fill(ctx context.Context, f *os.File, src io.Reader) (store.Digest, error) {
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), reader(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return src.Read(p)
	}))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return store.Digest{}, err
	}
	return store.Digest{Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

func (s *tracks) Open(ctx context.Context, id string) (store.Blob, error) {
	absent := sx.NewError(sx.CodeNotFound, "there is no track %s", id)
	if !validID(id) {
		return nil, absent
	}
	b, err := openBlob(ctx, s.path(id))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, absent
	case err != nil:
		return nil, fmt.Errorf("opening track %s: %w", id, err)
	}
	return b, nil
}

func (s *tracks) Remove(_ context.Context, id string) error {
	if !validID(id) {
		return nil
	}
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing track %s: %w", id, err)
	}
	return nil
}

func (s *tracks) List(context.Context) ([]string, error) {
	names, err := fileNames(s.dir)
	return names, wrapError("listing tracks", err)
}

// fileNames gives the names of the folder's files in order.
func fileNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}
