package mongostore_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// command is one that a paused writer has in flight.
type command struct {
	name  string
	after int // others with that name
}

var (
	firstChunks = command{"insert videos.chunks", 0}
	laterChunks = command{"insert videos.chunks", 1}
	firstCommit = command{"update uploads", 1} // the first one starts the Append
	filesDoc    = command{"insert videos.files", 0}
)

// paused stands for a store in another process that is paused while one of its
// commands is in flight.
type paused struct {
	proxy  *proxy
	resume func()
	result <-chan result
}

type result struct {
	n   int64
	err error
}

func pause(t *testing.T, server *mongodb.Server, db *mongo.Database, at command, do func(store.Store) (int64, error)) *paused {
	t.Helper()
	r := newProxy(t, server.URI)
	s := open(t, r.uri, db.Name())
	t.Cleanup(func() { _ = s.Close() })
	held, resume := r.hold(at.name, at.after)
	t.Cleanup(resume)
	done := make(chan result, 1)
	go func() {
		n, err := do(s)
		done <- result{n, err}
	}()
	select {
	case <-held:
	case r := <-done:
		t.Fatalf("the call ended before it sent %s: %d, %v", at.name, r.n, r.err)
	}
	return &paused{proxy: r, resume: resume, result: done}
}

// appending appends data to the upload v1.
func appending(t *testing.T, data []byte) func(store.Store) (int64, error) {
	return func(s store.Store) (int64, error) {
		return s.Videos.Append(t.Context(), "v1", 0, bytes.NewReader(data))
	}
}

// crash lets the command through, and then nothing in either direction until it
// closes the connection.
func (p *paused) crash(t *testing.T, arrived func() bool) {
	t.Helper()
	p.proxy.end()
	p.resume()
	testkit.Eventually(t, "the command has arrived", arrived)
	p.proxy.cut()
	if r := <-p.result; r.err == nil {
		t.Error("the call whose connection was closed returned no error")
	}
}

// pausedFirst pauses an Append of data to a new upload v1 before its first commit. One that
// needs a second for its first chunks, on a busy machine, has committed them; then another
// one is paused.
func pausedFirst(t *testing.T, server *mongodb.Server, size int64, at command, data []byte) (store.Store, *mongo.Database, *paused) {
	t.Helper()
	for {
		s, db := fresh(t, server)
		check(t, s.Videos.Create(t.Context(), "v1", "talk.mp4", size))
		p := pause(t, server, db, at, appending(t, data))
		up, err := s.Videos.Stat(t.Context(), "v1")
		check(t, err)
		if up.Offset == 0 {
			return s, db, p
		}
		p.resume()
		<-p.result
	}
}

// TestStaleAppendResumes lets a paused Append continue after a newer one has
// committed other bytes at the same places: none of its bytes may be in the video,
// and none of its chunks may be left.
func TestStaleAppendResumes(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	const size = 20*chunkSize + 99 // more than one insert takes
	stale, data := bytes.Repeat([]byte("stale"), size/5+1)[:size], content(3, size)
	for _, c := range []struct {
		name    string
		at      command
		before  int  // the offset of the newer Append when the older one resumes
		crashes bool // the older one loses its connection immediately afterwards
	}{
		{"its chunks arrive when their places are occupied", firstChunks, 4*chunkSize + 5, false},
		{"its chunks arrive when some of their places are occupied", firstChunks, chunkSize + 5, false},
		{"its chunks arrive first", firstChunks, 5, false},
		{"its chunks arrive first, and stay", firstChunks, 5, true},
		{"its later chunks arrive first, and stay", laterChunks, 5, true},
		{"its chunks arrive when the video has all bytes", firstChunks, size, false},
		{"its commit arrives late", firstCommit, 5, false},
		{"its commit arrives when the video has all bytes", firstCommit, size, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, db, p := pausedFirst(t, server, size, c.at, stale)
			already := count(t, db, "videos.chunks")
			_, err := s.Videos.Append(t.Context(), "v1", 0, bytes.NewReader(data[:c.before]))
			check(t, err)
			if c.crashes {
				p.crash(t, func() bool { return count(t, db, "videos.chunks") > already })
			} else {
				p.resume()
				if r := <-p.result; sx.CodeOf(r.err) != sx.CodeOffsetConflict || r.n != 0 {
					t.Errorf("the stale Append returned %d, %v", r.n, r.err)
				}
			}
			if c.before < size {
				_, err = s.Videos.Append(t.Context(), "v1", int64(c.before), bytes.NewReader(data[c.before:]))
				check(t, err)
			}
			checkVideo(t, s, "v1", data)
			counts(t, db, map[string]int{"videos.chunks": 21, "videos.files": 1, "uploads": 1})
			if got, err := download(t, db, "videos", "v1"); err != nil || !bytes.Equal(got, data) {
				t.Errorf("a GridFS client reads different bytes, %v", err)
			}
		})
	}
}

// TestStaleCompleteResumes pauses a Complete until the video is removed.
func TestStaleCompleteResumes(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	s, db := fresh(t, server)
	check(t, s.Videos.Create(t.Context(), "v1", "talk.mp4", 3))
	_, err := s.Videos.Append(t.Context(), "v1", 0, bytes.NewReader([]byte("abc")))
	check(t, err)
	p := pause(t, server, db, filesDoc, func(s store.Store) (int64, error) {
		_, err := s.Videos.Complete(t.Context(), "v1")
		return 0, err
	})
	check(t, s.Videos.Remove(t.Context(), "v1"))
	p.resume()
	if r := <-p.result; sx.CodeOf(r.err) != sx.CodeNotFound {
		t.Errorf("the stale Complete returned %v, want code not_found", r.err)
	}
	counts(t, db, map[string]int{"videos.chunks": 0, "videos.files": 0})
}

// TestConcurrentComplete pauses one Complete until the other one has returned.
func TestConcurrentComplete(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	s, db := fresh(t, server)
	check(t, s.Videos.Create(t.Context(), "v1", "talk.mp4", 3))
	_, err := s.Videos.Append(t.Context(), "v1", 0, bytes.NewReader([]byte("abc")))
	check(t, err)
	p := pause(t, server, db, filesDoc, func(s store.Store) (int64, error) {
		up, err := s.Videos.Complete(t.Context(), "v1")
		if err == nil && up.SHA256 != sum([]byte("abc")) {
			t.Errorf("the slower Complete returned %+v", up)
		}
		return 0, err
	})
	checkVideo(t, s, "v1", []byte("abc"))
	p.resume()
	check(t, (<-p.result).err)
	counts(t, db, map[string]int{"videos.chunks": 1, "videos.files": 1})
}

// TestStaleAppendCleansUp lets a paused Append continue after its upload was
// removed: it stores its chunks, detects the removal, and leaves nothing.
func TestStaleAppendCleansUp(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	const size = 20*chunkSize + 9 // more than one insert takes
	s, db, p := pausedFirst(t, server, size, laterChunks, content(13, size))
	check(t, s.Videos.Remove(t.Context(), "v1"))
	p.resume()
	if r := <-p.result; sx.CodeOf(r.err) != sx.CodeOffsetConflict || r.n != 0 {
		t.Errorf("the stale Append returned %d, %v", r.n, r.err)
	}
	counts(t, db, map[string]int{"videos.chunks": 0, "videos.files": 0})
}

// TestLateChunksAreDeleted lets chunks of a crashed writer arrive after their video
// was removed: an hour later the ID is listed, and removing it again leaves
// nothing.
func TestLateChunksAreDeleted(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	db := server.Database(t)
	c := testkit.NewClockAt(time.Now())
	s := openAt(t, server.URI, db.Name(), c.Now)
	defer func() { check(t, s.Close()) }()
	const size = 3 * chunkSize
	check(t, s.Videos.Create(t.Context(), "v1", "talk.mp4", size))
	p := pause(t, server, db, firstChunks, appending(t, content(4, size)))
	check(t, s.Videos.Remove(t.Context(), "v1"))
	p.crash(t, func() bool { return count(t, db, "videos.chunks") > 0 })

	listed := func(want int) {
		t.Helper()
		if ids, _, err := s.Videos.List(t.Context(), "", 100); err != nil || len(ids) != want {
			t.Errorf("List returned %v, %v; want %d", ids, err, want)
		}
	}
	listed(0)
	if n := mongodb.Orphans(t, db); n == 0 {
		t.Error("the late chunks are not counted as orphans")
	}
	c.Advance(time.Hour)
	listed(1)
	check(t, s.Videos.Remove(t.Context(), "v1"))
	listed(0)
	counts(t, db, map[string]int{"videos.chunks": 0, "videos.files": 0, "uploads": 0})
}

// TestConcurrentPuts pauses one Put while others run.
func TestConcurrentPuts(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	older, newer := content(5, chunkSize+1), content(6, 2*chunkSize+1)
	put := func(s store.Store) (int64, error) {
		d, err := s.Tracks.Put(t.Context(), "job-1", "talk.mp3", store.Head{}, bytes.NewReader(older))
		return d.Size, err
	}
	chunks, publish := command{"insert tracks.chunks", 0}, command{"update tracks", 0}
	for _, c := range []struct {
		name    string
		at      command
		between func(t *testing.T, s store.Store)
		code    sx.Code // of the older Put
		want    []byte  // the track in the end
		left    int     // chunks
	}{
		{"a newer one has been published", chunks, func(t *testing.T, s store.Store) {
			_, err := s.Tracks.Put(t.Context(), "job-1", "talk.mp3", store.Head{}, bytes.NewReader(newer))
			check(t, err)
		}, "", newer, 3},
		{"a newer one is published just before it", publish, func(t *testing.T, s store.Store) {
			_, err := s.Tracks.Put(t.Context(), "job-1", "talk.mp3", store.Head{}, bytes.NewReader(newer))
			check(t, err)
		}, "", newer, 3},
		{"the track is removed", chunks, func(t *testing.T, s store.Store) {
			check(t, s.Tracks.Remove(t.Context(), "job-1"))
		}, sx.CodeConflict, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, db := fresh(t, server)
			p := pause(t, server, db, c.at, put)
			c.between(t, s)
			p.resume()
			if r := <-p.result; sx.CodeOf(r.err) != c.code {
				t.Errorf("the older Put returned %v, want code %q", r.err, c.code)
			}
			b, err := s.Tracks.Open(t.Context(), "job-1")
			if c.want == nil {
				if sx.CodeOf(err) != sx.CodeNotFound {
					t.Errorf("Open returned %v, want code not_found", err)
				}
			} else {
				check(t, err)
				got, err := io.ReadAll(b)
				check(t, err)
				check(t, b.Close())
				if !bytes.Equal(got, c.want) {
					t.Error("the track is not the newer one")
				}
			}
			counts(t, db, map[string]int{"tracks.chunks": c.left})
		})
	}
}

// TestCrashedPutIsDeleted disconnects a Put midway.
func TestCrashedPutIsDeleted(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	db := server.Database(t)
	c := testkit.NewClockAt(time.Now())
	s := openAt(t, server.URI, db.Name(), c.Now)
	defer func() { check(t, s.Close()) }()
	p := pause(t, server, db, command{"insert tracks.chunks", 1}, func(s store.Store) (int64, error) {
		head := store.Head{Size: 2 * chunkSize, Bytes: func() ([]byte, error) { return content(8, 2*chunkSize), nil }}
		d, err := s.Tracks.Put(t.Context(), "job-1", "talk.mp3", head, bytes.NewReader(content(7, 9*chunkSize)))
		return d.Size, err
	})
	p.crash(t, func() bool { return count(t, db, "tracks.chunks") > 4 })
	listed := func(after time.Duration, want int) {
		t.Helper()
		c.Set(time.Now().Add(after))
		if ids, _, err := s.Tracks.List(t.Context(), "", 100); err != nil || len(ids) != want {
			t.Errorf("after %v List returned %v, %v; want %d", after, ids, err, want)
		}
	}
	listed(0, 0) // the Put may still be running
	if n := mongodb.Orphans(t, db); n <= 4 {
		t.Errorf("%d chunks are counted as orphans, want those of the Put", n)
	}
	listed(time.Minute, 1)
	check(t, s.Tracks.Remove(t.Context(), "job-1"))
	counts(t, db, map[string]int{"tracks.chunks": 0, "tracks.files": 0})
	listed(2*time.Minute, 0)
	listed(2*time.Hour, 1)
	check(t, s.Tracks.Remove(t.Context(), "job-1"))
	listed(2*time.Hour, 0)
	counts(t, db, map[string]int{"tracks.chunks": 0, "tracks.files": 0, "tracks": 0})
}
