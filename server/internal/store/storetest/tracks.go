package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing/iotest"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

var trackTests = []test{
	{"a track is read as it was stored", trackWhole},
	{"an absent track is not found", trackAbsent},
	{"a track is visible only when complete", trackComplete},
	{"a source that fails leaves nothing", trackBroken},
	{"a source's error keeps its code", trackCode},
	{"a head comes before the body", trackHead},
	{"a track with a head is visible only when complete", trackHeadComplete},
	{"a head that fails leaves nothing", trackHeadBroken},
	{"a Put whose ctx ends leaves nothing", trackCtx},
	{"Put replaces an earlier track", trackReplace},
	{"a removed track is not found", trackRemove},
	{"List returns the tracks", trackList},
}

func (f *fixture) put(id string, data []byte) {
	f.t.Helper()
	d, err := f.Tracks.Put(f.ctx, id, "talk.mp3", store.Head{}, bytes.NewReader(data))
	f.ok(err)
	if want := (store.Digest{Size: int64(len(data)), SHA256: sum(data)}); d != want {
		f.t.Errorf("Put returned %+v, want %+v", d, want)
	}
}

func (f *fixture) track(id string, want []byte) {
	f.t.Helper()
	b, err := f.Tracks.Open(f.ctx, id)
	f.ok(err)
	got, err := io.ReadAll(b)
	f.ok(err)
	f.ok(b.Close())
	if !bytes.Equal(got, want) {
		f.t.Errorf("track %s has different bytes than were stored (%d, want %d)", id, len(got), len(want))
	}
}

func (f *fixture) tracks(want ...string) {
	f.t.Helper()
	same(f, sorted(f.all(f.Tracks.List)), want)
}

func trackWhole(f *fixture) {
	data := content(10, 1<<20+1)
	f.put("job-1", data)
	f.put("empty-1", nil)
	f.reopen()
	f.track("job-1", data)
	f.track("empty-1", nil)
}

func trackAbsent(f *fixture) {
	for _, id := range []string{"none", "../sx.db", "..", ".", "", "a/b"} {
		_, err := f.Tracks.Open(f.ctx, id)
		f.code(err, sx.CodeNotFound)
		f.ok(f.Tracks.Remove(f.ctx, id))
	}
}

func trackComplete(f *fixture) {
	head, tail := content(11, 300_000), content(12, 1000)
	n := 0
	src := io.MultiReader(bytes.NewReader(head), readerFunc(func([]byte) (int, error) {
		n++
		_, err := f.Tracks.Open(f.ctx, "job-1")
		f.code(err, sx.CodeNotFound)
		f.tracks()
		return 0, io.EOF
	}), bytes.NewReader(tail))
	_, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3", store.Head{}, src)
	f.ok(err)
	if n != 1 {
		f.t.Errorf("the track was opened %d times midway", n)
	}
	f.track("job-1", append(head, tail...))
}

func trackBroken(f *fixture) {
	broken := errors.New("the source has failed")
	for _, old := range []bool{false, true} {
		if old {
			f.put("job-1", []byte("old"))
		}
		_, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3", store.Head{},
			io.MultiReader(bytes.NewReader(content(13, 300_000)), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			f.t.Errorf("Put returned %v, want the source's error", err)
		}
		if !old {
			_, err = f.Tracks.Open(f.ctx, "job-1")
			f.code(err, sx.CodeNotFound)
			f.tracks()
		}
	}
	f.track("job-1", []byte("old"))
	f.reopen()
	f.track("job-1", []byte("old"))
}

// chunk is a size around which stores may behave differently: GridFS has chunks
// of this size.
const chunk = 255 << 10

func trackHead(f *fixture) {
	for _, head := range []int{1, 4000, chunk - 1, chunk, chunk + 1, 3 << 20} {
		for _, body := range []int{0, 1, chunk - 4000, chunk, 5*chunk + 1} {
			data := content(uint64(head+body), head+body)
			ended, calls := false, 0
			src := io.MultiReader(bytes.NewReader(data[head:]), readerFunc(func([]byte) (int, error) {
				ended = true
				return 0, io.EOF
			}))
			d, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3", store.Head{Size: head, Bytes: func() ([]byte, error) {
				if calls++; !ended {
					f.t.Error("the head was asked for before the body had ended")
				}
				return data[:head], nil
			}}, src)
			f.ok(err)
			if want := (store.Digest{Size: int64(len(data)), SHA256: sum(data)}); d != want || calls != 1 {
				f.t.Errorf("head of %d bytes, body of %d: Put returned %+v and called Bytes %d times, want %+v", head, body, d, calls, want)
			}
			f.track("job-1", data)
		}
	}
	f.reopen()
	f.tracks("job-1")
}

// trackHeadComplete looks for the track when all but the head is stored.
func trackHeadComplete(f *fixture) {
	looked := false
	_, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3", store.Head{Size: 1, Bytes: func() ([]byte, error) {
		looked = true
		_, err := f.Tracks.Open(f.ctx, "job-1")
		f.code(err, sx.CodeNotFound)
		f.tracks()
		return []byte{1}, nil
	}}, bytes.NewReader(content(11, 600_000)))
	f.ok(err)
	if !looked {
		f.t.Error("Bytes was not called")
	}
	f.tracks("job-1")
}

func trackHeadBroken(f *fixture) {
	broken := sx.NewError(sx.CodeOutputLimit, "the head has failed")
	for _, old := range []bool{false, true} {
		if old {
			f.put("job-1", []byte("old"))
		}
		for _, size := range []int{100, 2 * chunk} {
			for got, want := range map[int]bool{-1: true, 0: false, size - 1: false, size + 1: false} {
				_, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3", store.Head{Size: size, Bytes: func() ([]byte, error) {
					if got < 0 {
						return nil, broken
					}
					return make([]byte, got), nil
				}}, bytes.NewReader(content(13, 600_000)))
				if err == nil || errors.Is(err, broken) != want {
					f.t.Errorf("a head of %d instead of %d bytes: Put returned %v", got, size, err)
				}
				if !old {
					f.tracks()
				}
			}
		}
		called := false
		if _, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3", store.Head{Size: 1, Bytes: func() ([]byte, error) {
			called = true
			return []byte{1}, nil
		}}, iotest.ErrReader(broken)); !errors.Is(err, broken) || called {
			f.t.Errorf("a body that fails: Put returned %v, Bytes called: %t", err, called)
		}
	}
	f.track("job-1", []byte("old"))
}

func trackCtx(f *fixture) {
	data := content(13, 600_000)
	for _, at := range []string{"body", "head"} {
		ctx, cancel := context.WithCancel(f.ctx)
		_, err := f.Tracks.Put(ctx, "job-1", "talk.mp3", store.Head{Size: 1, Bytes: func() ([]byte, error) {
			if at == "body" {
				f.t.Error("Bytes was called although ctx had ended")
			}
			cancel()
			return []byte{1}, nil
		}}, io.MultiReader(bytes.NewReader(data[:300_000]), readerFunc(func([]byte) (int, error) {
			if at == "body" {
				cancel()
			}
			return 0, io.EOF
		}), bytes.NewReader(data[300_000:])))
		if !errors.Is(err, context.Canceled) {
			f.t.Errorf("Put whose ctx ended in the %s returned %v, want context.Canceled", at, err)
		}
		f.tracks()
		_, err = f.Tracks.Open(f.ctx, "job-1")
		f.code(err, sx.CodeNotFound)
		cancel()
	}
}

func trackCode(f *fixture) {
	tooMuch := sx.NewError(sx.CodeOutputLimit, "the track would be too large")
	_, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3", store.Head{}, iotest.ErrReader(tooMuch))
	f.code(err, sx.CodeOutputLimit)
}

func trackReplace(f *fixture) {
	long, short := content(14, 400_000), content(15, 100_000)
	f.put("job-1", long)
	f.put("job-1", short)
	f.track("job-1", short)
	f.put("job-1", long)
	f.reopen()
	f.track("job-1", long)
	f.tracks("job-1")
}

func trackRemove(f *fixture) {
	f.put("job-1", []byte("a"))
	f.put("job-2", []byte("b"))
	f.ok(f.Tracks.Remove(f.ctx, "job-1"))
	f.ok(f.Tracks.Remove(f.ctx, "job-1"))
	_, err := f.Tracks.Open(f.ctx, "job-1")
	f.code(err, sx.CodeNotFound)
	f.track("job-2", []byte("b"))
	f.tracks("job-2")
}

func trackList(f *fixture) {
	f.tracks()
	f.put("job-2", []byte("b"))
	f.put("job-1", []byte("a"))
	f.reopen()
	f.tracks("job-1", "job-2")
}
