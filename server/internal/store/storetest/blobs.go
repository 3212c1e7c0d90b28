package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing/iotest"

	"github.com/soundextract/sx/server/internal/store"
)

var blobTests = []test{
	{"a video can be read from any offset", func(f *fixture) { blobSeek(f, f.videoBlob) }},
	{"a track can be read from any offset", func(f *fixture) { blobSeek(f, f.trackBlob) }},
	{"reading a video ends with its ctx", func(f *fixture) { blobCtx(f, f.videoBlob) }},
	{"reading a track ends with its ctx", func(f *fixture) { blobCtx(f, f.trackBlob) }},
	{"a video can have several readers", blobReaders},
}

func (f *fixture) videoBlob(ctx context.Context, data []byte) store.Blob {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", int64(len(data))))
	f.appends("v1", 0, data)
	_, err := f.Videos.Complete(f.ctx, "v1")
	f.ok(err)
	b, err := f.Videos.Open(ctx, "v1")
	f.ok(err)
	return b
}

func (f *fixture) trackBlob(ctx context.Context, data []byte) store.Blob {
	f.put("job-1", data)
	b, err := f.Tracks.Open(ctx, "job-1")
	f.ok(err)
	return b
}

type opener func(ctx context.Context, data []byte) store.Blob

func blobSeek(f *fixture, open opener) {
	data := content(16, 700_001)
	b := open(f.ctx, data)
	if b.Size() != int64(len(data)) {
		f.t.Errorf("Size is %d, want %d", b.Size(), len(data))
	}
	f.ok(iotest.TestReader(b, data)) // reads, seeks from all three origins, rejects negative offsets

	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		from := random.IntN(len(data))
		n := random.IntN(len(data) - from)
		at, err := b.Seek(int64(from), io.SeekStart)
		f.ok(err)
		got := make([]byte, n)
		_, err = io.ReadFull(b, got)
		f.ok(err)
		if at != int64(from) || !bytes.Equal(got, data[from:from+n]) {
			f.t.Fatalf("bytes %d to %d are wrong", from, from+n)
		}
	}
	if end, err := b.Seek(0, io.SeekEnd); err != nil || end != int64(len(data)) {
		f.t.Errorf("Seek to the end returned %d, %v", end, err)
	}
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF { //nolint:errorlint // a Reader returns io.EOF itself
		f.t.Errorf("Read at the end returned %d, %v", n, err)
	}
	f.ok(b.Close())
}

func blobCtx(f *fixture, open opener) {
	ctx, cancel := context.WithCancel(f.ctx)
	b := open(ctx, content(17, 700_001))
	_, err := io.ReadFull(b, make([]byte, 10))
	f.ok(err)
	cancel()
	if _, err := io.Copy(io.Discard, b); !errors.Is(err, context.Canceled) {
		f.t.Errorf("reading after ctx had ended returned %v, want context.Canceled", err)
	}
	f.ok(b.Close())
}

func blobReaders(f *fixture) {
	data := content(18, 500_000)
	f.ok(f.videoBlob(f.ctx, data).Close())
	got := make(chan []byte)
	for range 8 {
		go func() {
			b, err := f.Videos.Open(f.ctx, "v1")
			if err != nil {
				got <- nil
				return
			}
			all, _ := io.ReadAll(b)
			_ = b.Close()
			got <- all
		}()
	}
	for range 8 {
		if !bytes.Equal(<-got, data) {
			f.t.Error("a reader got different bytes")
		}
	}
}
