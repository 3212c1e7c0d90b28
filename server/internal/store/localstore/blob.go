package localstore

import (
	"context"
	"errors"
	"os"

	"github.com/soundextract/sx/server/internal/store"
)

type blob struct {
	file *os.File        // not embedded: its WriteTo would ignore ctx
	ctx  context.Context //nolint:containedctx // by contract, the ctx of Open applies to all reads
	size int64
}

var _ store.Blob = (*blob)(nil)

func openBlob(ctx context.Context, path string) (*blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &blob{file: f, ctx: ctx, size: info.Size()}, nil
}

func (b *blob) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.file.Read(p)
}

func (b *blob) Seek(offset int64, whence int) (int64, error) { return b.file.Seek(offset, whence) }

func (b *blob) Close() error { return b.file.Close() }

func (b *blob) Size() int64 { return b.size }
