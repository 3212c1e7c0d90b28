package localstore

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/soundextract/sx/server/internal/store"
)

// blob reads the first bytes of a file.
type blob struct {
	file    *os.File
	ctx     context.Context   //nolint:containedctx // by contract, the ctx of Open applies to all reads
	section *io.SectionReader // not embedded: its WriteTo would ignore ctx
}

var _ store.Blob = (*blob)(nil)

// openBlob opens the whole file.
func openBlob(ctx context.Context, path string) (*blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &blob{file: f, ctx: ctx, section: io.NewSectionReader(f, 0, info.Size())}, nil
}

// cut ends the blob after n bytes, of which it must have as many.
func (b *blob) cut(n int64) { b.section = io.NewSectionReader(b.file, 0, n) }

func (b *blob) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.section.Read(p)
}

func (b *blob) ReadAt(p []byte, off int64) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.section.ReadAt(p, off)
}

func (b *blob) Seek(offset int64, whence int) (int64, error) { return b.section.Seek(offset, whence) }

func (b *blob) Close() error { return b.file.Close() }

func (b *blob) Size() int64 { return b.section.Size() }
