package storetest

import (
	"bytes"
	"io"

	"github.com/soundextract/sx/server/sx"
)

var fenceTests = []test{
	{"the newest Append wins over a blocked one", fenceBlocked},
	{"the newest Append wins over a finished source", fenceEnded},
	{"a refused Append does not affect a running one", fenceRefused},
	{"two clients that send the same file store each byte once", fenceConcurrent},
	{"Remove ends an Append", fenceRemove},
}

type appended struct {
	n   int64
	err error
}

// blocked starts an Append whose source has returned head and now blocks. What is
// sent to more follows, until it is closed. The bytes of head may or may not be
// stored.
func (f *fixture) blocked(id string, offset int64, head []byte) (more chan<- []byte, result <-chan appended) {
	f.t.Helper()
	feed, waiting, done := make(chan []byte), make(chan struct{}, 1), make(chan appended, 1)
	rest := head
	go func() {
		n, err := f.Videos.Append(f.ctx, id, offset, readerFunc(func(p []byte) (int, error) {
			if len(rest) == 0 {
				select {
				case waiting <- struct{}{}:
				default:
				}
				var open bool
				select {
				case rest, open = <-feed:
				case <-f.ctx.Done():
				}
				if !open {
					return 0, io.EOF
				}
			}
			n := copy(p, rest)
			rest = rest[n:]
			return n, nil
		}))
		done <- appended{n, err}
	}()
	select {
	case <-waiting:
	case r := <-done:
		f.t.Fatalf("Append returned early: %+v", r)
	}
	return feed, done
}

func fenceBlocked(f *fixture) {
	data := content(8, 600_000)
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", int64(len(data))))
	f.appends("v1", 0, data[:1000])
	// The bytes of the older one differ, to show which of them are stored.
	more, result := f.blocked("v1", 1000, bytes.Repeat([]byte("x"), 200_000))
	start := f.overtake("v1", func(offset int64) []byte { return data[offset:300_000] })
	copy(data[1000:start], bytes.Repeat([]byte("x"), 200_000))
	more <- bytes.Repeat([]byte("y"), 50_000)
	close(more)
	r := <-result
	f.code(r.err, sx.CodeOffsetConflict)
	if r.n != start-1000 {
		f.t.Errorf("the older Append returned %d bytes, want %d", r.n, start-1000)
	}
	f.offset("v1", 300_000)
	f.reopen()
	f.appends("v1", 300_000, data[300_000:])
	f.holds("v1", data)
}

// overtake starts a newer Append at the offset of the upload. A store may still be
// committing bytes of the older one, and then the offset changes.
func (f *fixture) overtake(id string, rest func(offset int64) []byte) (start int64) {
	f.t.Helper()
	for {
		up, err := f.Videos.Stat(f.ctx, id)
		f.ok(err)
		_, err = f.Videos.Append(f.ctx, id, up.Offset, bytes.NewReader(rest(up.Offset)))
		if sx.CodeOf(err) != sx.CodeOffsetConflict {
			f.ok(err)
			return up.Offset
		}
	}
}

func fenceEnded(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 6))
	more, result := f.blocked("v1", 0, nil)
	f.appends("v1", 0, []byte("abc"))
	close(more)
	f.code((<-result).err, sx.CodeOffsetConflict)
	f.appends("v1", 3, []byte("def"))
	f.holds("v1", []byte("abcdef"))
}

func fenceRefused(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 6))
	more, result := f.blocked("v1", 0, nil)
	_, err := f.Videos.Append(f.ctx, "v1", 3, bytes.NewReader([]byte("xyz")))
	f.code(err, sx.CodeOffsetConflict)
	more <- []byte("abcdef")
	close(more)
	if r := <-result; r.err != nil || r.n != 6 {
		f.t.Errorf("the running Append returned %+v", r)
	}
	f.holds("v1", []byte("abcdef"))
}

// fenceConcurrent has two clients send the same file at the same time.
func fenceConcurrent(f *fixture) {
	data := content(9, 1_000_000)
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", int64(len(data))))
	errs := make(chan error, 2)
	for range 2 {
		go func() {
			for {
				up, err := f.Videos.Stat(f.ctx, "v1")
				if err != nil || up.Offset == up.Size {
					errs <- err
					return
				}
				end := min(up.Offset+30_000, up.Size)
				_, err = f.Videos.Append(f.ctx, "v1", up.Offset, bytes.NewReader(data[up.Offset:end]))
				if err != nil && sx.CodeOf(err) != sx.CodeOffsetConflict {
					errs <- err
					return
				}
			}
		}()
	}
	f.ok(<-errs)
	f.ok(<-errs)
	f.holds("v1", data)
}

func fenceRemove(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 6))
	more, result := f.blocked("v1", 0, []byte("abc"))
	f.ok(f.Videos.Remove(f.ctx, "v1"))
	f.ok(f.Videos.Create(f.ctx, "v1", "b.mp4", 6))
	more <- []byte("xyz")
	close(more)
	if r := <-result; r.err == nil || r.n != 0 {
		f.t.Errorf("the Append on the removed upload returned %+v", r)
	}
	f.offset("v1", 0)
	f.appends("v1", 0, []byte("abcdef"))
	f.holds("v1", []byte("abcdef"))
}
