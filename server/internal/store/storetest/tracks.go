package storetest

import (
	"bytes"
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
	{"Put replaces an earlier track", trackReplace},
	{"a removed track is not found", trackRemove},
	{"List returns the tracks", trackList},
}

func (f *fixture) put(id string, data []byte) {
	f.t.Helper()
	d, err := f.Tracks.Put(f.ctx, id, "talk.mp3", bytes.NewReader(data))
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
	list, err := f.Tracks.List(f.ctx)
	f.ok(err)
	same(f, sorted(list), want)
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
	_, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3", src)
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
		_, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3",
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

func trackCode(f *fixture) {
	tooMuch := sx.NewError(sx.CodeOutputLimit, "the track would be too large")
	_, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3", iotest.ErrReader(tooMuch))
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
