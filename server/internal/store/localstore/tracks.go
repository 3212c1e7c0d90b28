package localstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/digest"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// tracks needs no records: a track is visible once its file has been renamed
// into the directory.
type tracks struct {
	files *shards
	tmp   string
}

var _ store.Tracks = (*tracks)(nil)

// Put ignores the name: the file is named after the ID.
func (s *tracks) Put(ctx context.Context, id, _ string, head store.Head, body io.Reader) (store.Digest, error) {
	if !validID(id) {
		return store.Digest{}, sx.NewError(sx.CodeInvalid, "invalid track ID %q", id)
	}
	if err := s.files.prepare(id); err != nil {
		return store.Digest{}, wrapError("store track", err)
	}
	f, err := os.CreateTemp(s.tmp, id+"-*") // created with fileMode
	if err != nil {
		return store.Digest{}, wrapError("store track", err)
	}
	d, err := writeTrack(ctx, f, head, body)
	if err != nil {
		// If it cannot be removed, the next Open empties tmp.
		_ = f.Close()
		_ = os.Remove(f.Name())
	} else {
		err = atomicfile.Commit(f, s.files.path(id))
	}
	if err != nil {
		return store.Digest{}, wrapError("store track", err)
	}
	return d, nil
}

// writeTrack leaves space for the head and writes it last. The digest starts with
// the head, so it can be computed only then, from the file.
func writeTrack(ctx context.Context, f *os.File, head store.Head, body io.Reader) (store.Digest, error) {
	d := store.Digest{Size: int64(head.Size)}
	if _, err := f.Seek(d.Size, io.SeekStart); err != nil {
		return d, err
	}
	eager := eagerWriter{file: f}
	n, err := io.Copy(&eager, whileActive(ctx, body))
	if err := errors.Join(err, eager.wait()); err != nil {
		return d, err
	}
	d.Size += n
	first, err := head.Read()
	if err != nil {
		return d, err
	}
	if _, err := f.WriteAt(first, 0); err != nil {
		return d, err
	}
	h := digest.New()
	_, err = io.Copy(h, whileActive(ctx, io.NewSectionReader(f, 0, d.Size)))
	d.SHA256 = h.Hex()
	return d, err
}

// whileActive returns a reader of src that fails once ctx has ended.
func whileActive(ctx context.Context, src io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return src.Read(p)
	})
}

type readerFunc func([]byte) (int, error)

func (r readerFunc) Read(p []byte) (int, error) { return r(p) }

func (s *tracks) Open(ctx context.Context, id string) (store.Blob, error) {
	notFound := sx.NewError(sx.CodeNotFound, "track %s not found", id)
	if !validID(id) {
		return nil, notFound
	}
	b, err := openBlob(ctx, s.files.path(id))
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
	if err := os.Remove(s.files.path(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove track %s: %w", id, err)
	}
	return nil
}

func (s *tracks) List(_ context.Context, cursor string, limit int) ([]string, string, error) {
	ids, next, err := s.files.list(cursor, limit)
	return ids, next, wrapError("list tracks", err)
}
