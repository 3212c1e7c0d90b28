package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"time"

	"github.com/soundextract/sx/server/sx"
)

var videoTests = []test{
	{"a new upload is empty", videoNew},
	{"an id can be used once", videoTwice},
	{"more than any disk can store is refused", videoHuge},
	{"an absent upload is not found", videoAbsent},
	{"a video is read as it was stored", videoWhole},
	{"an upload without bytes becomes a video", videoOfNothing},
	{"an upload that is not complete cannot be opened", videoIncompleteOpen},
	{"an upload that lacks bytes cannot be completed", videoIncompleteComplete},
	{"Complete may be repeated", videoCompleteTwice},
	{"a removed video is not found", videoRemove},
	{"an id can be used again after Remove", videoIDReused},
	{"List returns uploads and videos", videoList},
}

// content returns pseudo-random bytes, the same ones for each seed.
func content(seed uint64, size int) []byte {
	b := make([]byte, size)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// appends appends all of data at the offset.
func (f *fixture) appends(id string, offset int, data []byte) {
	f.t.Helper()
	n, err := f.Videos.Append(f.ctx, id, int64(offset), bytes.NewReader(data))
	f.ok(err)
	if n != int64(len(data)) {
		f.t.Fatalf("Append stored %d bytes, want %d", n, len(data))
	}
}

// offset checks the offset of an upload.
func (f *fixture) offset(id string, want int) {
	f.t.Helper()
	up, err := f.Videos.Stat(f.ctx, id)
	f.ok(err)
	if up.Offset != int64(want) {
		f.t.Fatalf("upload %s is at %d, want %d", id, up.Offset, want)
	}
}

// holds completes the upload and checks its digest and bytes.
func (f *fixture) holds(id string, want []byte) {
	f.t.Helper()
	up, err := f.Videos.Complete(f.ctx, id)
	f.ok(err)
	if up.SHA256 != sum(want) {
		f.t.Errorf("the digest of %s is %s, want %s", id, up.SHA256, sum(want))
	}
	b, err := f.Videos.Open(f.ctx, id)
	f.ok(err)
	got, err := io.ReadAll(b)
	f.ok(err)
	f.ok(b.Close())
	if !bytes.Equal(got, want) {
		f.t.Errorf("video %s has different bytes than were stored (%d, want %d)", id, len(got), len(want))
	}
}

func videoNew(f *fixture) {
	before := time.Now().Truncate(time.Millisecond)
	f.ok(f.Videos.Create(f.ctx, "v1", "talk é.mp4", 5))
	f.reopen()
	up, err := f.Videos.Stat(f.ctx, "v1")
	f.ok(err)
	if up.ID != "v1" || up.Name != "talk é.mp4" || up.Size != 5 || up.Offset != 0 || up.SHA256 != "" {
		f.t.Errorf("a new upload is %+v", up)
	}
	if up.Updated.Before(before) || up.Updated.After(time.Now()) {
		f.t.Errorf("it was updated at %v, want after %v", up.Updated, before)
	}
}

func videoTwice(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 5))
	f.appends("v1", 0, []byte("abc"))
	f.code(f.Videos.Create(f.ctx, "v1", "b.mp4", 6), sx.CodeConflict)
	f.appends("v1", 3, []byte("de"))
	f.holds("v1", []byte("abcde"))
}

func videoHuge(f *fixture) {
	f.code(f.Videos.Create(f.ctx, "v1", "a.mp4", 1<<60), sx.CodeStorageFull)
	_, err := f.Videos.Stat(f.ctx, "v1")
	f.code(err, sx.CodeNotFound)
	list := f.all(f.Videos.List)
	same(f, list, nil)
}

func videoAbsent(f *fixture) {
	for _, id := range []string{"none", "../sx.db", "..", ".", "", "a/b"} {
		_, err := f.Videos.Stat(f.ctx, id)
		f.code(err, sx.CodeNotFound)
		_, err = f.Videos.Append(f.ctx, id, 0, bytes.NewReader([]byte("x")))
		f.code(err, sx.CodeNotFound)
		_, err = f.Videos.Complete(f.ctx, id)
		f.code(err, sx.CodeNotFound)
		_, err = f.Videos.Open(f.ctx, id)
		f.code(err, sx.CodeNotFound)
		f.ok(f.Videos.Remove(f.ctx, id))
	}
}

func videoWhole(f *fixture) {
	data := content(1, 3<<20+17)
	before := time.Now().Truncate(time.Millisecond)
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", int64(len(data))))
	f.appends("v1", 0, data)
	f.offset("v1", len(data))
	f.holds("v1", data)
	f.reopen()
	f.holds("v1", data)
	up, err := f.Videos.Stat(f.ctx, "v1")
	f.ok(err)
	if up.SHA256 != sum(data) || up.Updated.Before(before) {
		f.t.Errorf("the video is %+v", up)
	}
}

func videoOfNothing(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 0))
	f.ok(f.Videos.Create(f.ctx, "v2", "a.mp4", 0))
	f.appends("v2", 0, nil)
	f.reopen()
	f.holds("v1", nil)
	f.holds("v2", nil)
}

func videoIncompleteOpen(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 3))
	_, err := f.Videos.Open(f.ctx, "v1")
	f.code(err, sx.CodeNotFound)
	f.appends("v1", 0, []byte("abc"))
	_, err = f.Videos.Open(f.ctx, "v1")
	f.code(err, sx.CodeNotFound)
	f.holds("v1", []byte("abc"))
}

func videoIncompleteComplete(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 3))
	f.appends("v1", 0, []byte("ab"))
	_, err := f.Videos.Complete(f.ctx, "v1")
	f.code(err, sx.CodeConflict)
	f.appends("v1", 2, []byte("c"))
	f.holds("v1", []byte("abc"))
}

func videoCompleteTwice(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 3))
	f.appends("v1", 0, []byte("abc"))
	first, err := f.Videos.Complete(f.ctx, "v1")
	f.ok(err)
	f.reopen()
	again, err := f.Videos.Complete(f.ctx, "v1")
	f.ok(err)
	same(f, again, first)
	f.appends("v1", 3, nil)
	_, err = f.Videos.Append(f.ctx, "v1", 0, bytes.NewReader([]byte("xyz")))
	f.code(err, sx.CodeOffsetConflict)
	f.holds("v1", []byte("abc"))
}

func videoRemove(f *fixture) {
	for _, id := range []string{"upload", "video"} {
		f.ok(f.Videos.Create(f.ctx, id, "a.mp4", 3))
	}
	f.appends("video", 0, []byte("abc"))
	f.holds("video", []byte("abc"))
	for _, id := range []string{"upload", "video", "video"} {
		f.ok(f.Videos.Remove(f.ctx, id))
		_, err := f.Videos.Stat(f.ctx, id)
		f.code(err, sx.CodeNotFound)
		_, err = f.Videos.Open(f.ctx, id)
		f.code(err, sx.CodeNotFound)
	}
	list := f.all(f.Videos.List)
	same(f, list, nil)
}

func videoIDReused(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 6))
	f.appends("v1", 0, []byte("abcde"))
	f.ok(f.Videos.Remove(f.ctx, "v1"))
	f.ok(f.Videos.Create(f.ctx, "v1", "b.mp4", 3))
	f.offset("v1", 0)
	f.appends("v1", 0, []byte("xyz"))
	f.holds("v1", []byte("xyz"))
}

func videoList(f *fixture) {
	for _, id := range []string{"new", "half", "complete"} {
		f.ok(f.Videos.Create(f.ctx, id, "a.mp4", 3))
	}
	f.appends("half", 0, []byte("ab"))
	f.appends("complete", 0, []byte("abc"))
	f.holds("complete", []byte("abc"))
	f.reopen()
	list := f.all(f.Videos.List)
	same(f, sorted(list), []string{"complete", "half", "new"})
}

// all returns what List returns in pages of two.
func (f *fixture) all(list func(ctx context.Context, cursor string, limit int) ([]string, string, error)) (all []string) {
	f.t.Helper()
	const limit = 2
	for cursor, more := "", true; more; more = cursor != "" {
		ids, next, err := list(f.ctx, cursor, limit)
		f.ok(err)
		if len(ids) > limit || cursor != "" && next == cursor {
			f.t.Fatalf("a page after %q has %d IDs, and the next one is after %q", cursor, len(ids), next)
		}
		all, cursor = append(all, ids...), next
	}
	return all
}
