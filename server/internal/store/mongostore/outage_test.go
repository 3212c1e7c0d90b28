package mongostore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// TestMongoDBRestart kills MongoDB in the middle of an Append and starts it again.
func TestMongoDBRestart(t *testing.T) {
	t.Parallel()
	server := mongodb.StartOwn(t)
	var log testkit.LogBuffer
	s, err := mongostore.Open(t.Context(), mongostore.Config{
		URI: server.URI, Database: "sx-test", Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now,
	})
	check(t, err)
	defer func() { check(t, s.Close()) }()
	data := content(8, 20*chunkSize)
	check(t, s.Videos.Create(t.Context(), "v1", "talk.mp4", int64(len(data))))
	check(t, s.Users.Create(t.Context(), sx.User{ID: "u1", Name: "ann"}))
	const sound = "not affected by the outage"
	_, err = s.Tracks.Put(t.Context(), "job-1", "talk.mp3", store.Head{}, strings.NewReader(sound))
	check(t, err)

	b, err := s.Tracks.Open(t.Context(), "job-1")
	check(t, err)
	head, given := bytes.NewReader(data[:7*chunkSize+7]), false
	n, err := s.Videos.Append(t.Context(), "v1", 0, readerFunc(func(p []byte) (int, error) {
		if head.Len() > 0 {
			return head.Read(p)
		}
		if !given { // what has been read so far is stored or in flight
			given = true
			server.Kill(t)
		}
		return len(p), nil
	}))
	if sx.CodeOf(err) != sx.CodeUnavailable {
		t.Fatalf("Append returned %d, %v, want code unavailable", n, err)
	}
	var calls sync.WaitGroup
	for what, call := range map[string]func() error{
		"Ping": func() error { return s.Ping(t.Context()) },
		"reading": func() error {
			_, err := s.Users.ByID(t.Context(), "u1")
			return err
		},
		"reading a track": func() error {
			_, err := b.Read(make([]byte, 1))
			return err
		},
		"writing": func() error { return s.Users.Create(t.Context(), sx.User{ID: "u2", Name: "bob"}) },
	} {
		calls.Go(func() {
			if err := call(); sx.CodeOf(err) != sx.CodeUnavailable {
				t.Errorf("%s while MongoDB is down returned %v, want code unavailable", what, err)
			}
		})
	}
	calls.Wait()

	server.Resume(t)
	testkit.Eventually(t, "MongoDB responds", func() bool { return s.Ping(t.Context()) == nil })
	up, err := s.Videos.Stat(t.Context(), "v1")
	check(t, err)
	if up.Offset < n || up.Offset > 7*chunkSize+7 {
		t.Errorf("the upload is at %d, but Append returned %d", up.Offset, n)
	}
	_, err = s.Videos.Append(t.Context(), "v1", up.Offset, bytes.NewReader(data[up.Offset:]))
	check(t, err)
	checkVideo(t, s, "v1", data)
	if got, err := io.ReadAll(b); err != nil || string(got) != sound {
		t.Errorf("the track is %q, %v", got, err)
	}
	check(t, b.Close())
	for _, want := range []string{"MongoDB server available", "MongoDB server unavailable"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not contain %q:\n%s", want, log.String())
		}
	}
}

// TestConnectionsBreak closes the connections in the middle of an Append, which is
// then continued, and in the middle of reading a video, which succeeds.
func TestConnectionsBreak(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	r := newProxy(t, server.URI)
	s := open(t, r.uri, server.Database(t).Name())
	defer func() { check(t, s.Close()) }()
	data := content(9, 40*chunkSize+8) // an insert has at most 16 chunks
	check(t, s.Videos.Create(t.Context(), "v1", "talk.mp4", int64(len(data))))
	held, resume := r.hold("insert videos.chunks", 1)
	done := make(chan error, 1)
	go func() {
		_, err := s.Videos.Append(t.Context(), "v1", 0, bytes.NewReader(data))
		done <- err
	}()
	<-held
	r.cut()
	resume()
	if err := <-done; sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("Append returned %v, want code unavailable", err)
	}
	up, err := s.Videos.Stat(t.Context(), "v1")
	check(t, err)
	_, err = s.Videos.Append(t.Context(), "v1", up.Offset, bytes.NewReader(data[up.Offset:]))
	check(t, err)
	checkVideo(t, s, "v1", data)

	b, err := s.Videos.Open(t.Context(), "v1")
	check(t, err)
	held, resume = r.hold("find videos.chunks", 0)
	go func() {
		<-held
		r.cut()
		resume()
	}()
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes were read, %v", len(got), err)
	}
	check(t, b.Close())
}

// TestDiskFull fills the server's disk in the middle of an Append and of a Put.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s, db := fresh(t, mongodb.StartSmall(t, 8))
	data := content(10, 64*chunkSize)
	check(t, s.Videos.Create(t.Context(), "v1", "talk.mp4", int64(len(data))))
	_, err := s.Videos.Append(t.Context(), "v1", 0, bytes.NewReader(data[:chunkSize+1]))
	check(t, err)
	n, err := s.Videos.Append(t.Context(), "v1", chunkSize+1, bytes.NewReader(data[chunkSize+1:]))
	if sx.CodeOf(err) != sx.CodeStorageFull {
		t.Errorf("Append returned %d, %v, want code storage_full", n, err)
	}
	up, err := s.Videos.Stat(t.Context(), "v1")
	check(t, err)
	if up.Offset != chunkSize+1+n {
		t.Errorf("the upload is at %d, but Append returned %d after %d", up.Offset, n, chunkSize+1)
	}
	if _, err := s.Tracks.Put(t.Context(), "job-1", "talk.mp3", store.Head{}, bytes.NewReader(data)); sx.CodeOf(err) != sx.CodeStorageFull {
		t.Errorf("Put returned %v, want code storage_full", err)
	}
	if _, err := s.Tracks.Open(t.Context(), "job-1"); sx.CodeOf(err) != sx.CodeNotFound {
		t.Errorf("an incomplete track can be opened: %v", err)
	}
	check(t, s.Videos.Remove(t.Context(), "v1"))
	check(t, s.Tracks.Remove(t.Context(), "job-1"))
	counts(t, db, map[string]int{"videos.chunks": 0, "tracks.chunks": 0})
	_, err = s.Tracks.Put(t.Context(), "job-2", "talk.mp3", store.Head{}, bytes.NewReader(data[:chunkSize]))
	check(t, err)
}

// TestSlowLink checks that the tail of a chunk is committed before the chunk is full.
func TestSlowLink(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t, mongodb.Start(t))
	data := content(11, chunkSize+100)
	check(t, s.Videos.Create(t.Context(), "v1", "talk.mp4", int64(len(data))))
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := s.Videos.Append(t.Context(), "v1", 0, reader)
		done <- err
	}()
	for at, next := 0, 0; at < len(data); at = next {
		next = min(at+150_000, len(data))
		_, err := writer.Write(data[at:next])
		check(t, err)
		testkit.Eventually(t, "the tail is committed", func() bool {
			up, err := s.Videos.Stat(t.Context(), "v1")
			return err == nil && up.Offset == int64(next)
		})
	}
	check(t, writer.Close())
	check(t, <-done)
	checkVideo(t, s, "v1", data)
}

func TestSettings(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	host := strings.TrimPrefix(server.URI, "mongodb://")
	for _, c := range []struct {
		name, uri, database string
		code                sx.Code
		says                string
	}{
		{"no URI", "", "sx", sx.CodeInvalid, "mongodb-uri"},
		{"another scheme", "http://" + host, "sx", sx.CodeInvalid, "mongodb-uri"},
		{"an option with a wrong value", "mongodb://ann:secret@127.0.0.1/?maxPoolSize=many", "sx", sx.CodeInvalid, "mongodb-uri"},
		{"a password that is not escaped", "mongodb://ann:sec/ret@127.0.0.1/", "sx", sx.CodeInvalid, "mongodb-uri"},
		{"wrong credentials", "mongodb://ann:secret@" + host, "sx", sx.CodeInvalid, "rejected the user's name or password"},
		{"an unknown authMechanism", "mongodb://ann:secret@" + host + "/?authMechanism=NONE", "sx", sx.CodeInvalid, "mongodb-uri"},
		{"no database", server.URI, "", sx.CodeInvalid, "mongodb-database"},
		{"a database name with a dot", server.URI, "s.x", sx.CodeInvalid, "mongodb-database"},
		// A label is too long, so no DNS server is asked.
		{"hosts that cannot be resolved", "mongodb+srv://" + strings.Repeat("x", 64) + ".invalid/", "sx", sx.CodeUnavailable, "cannot be reached"},
		{"no server", "mongodb://127.0.0.1:1/", "sx", sx.CodeUnavailable, "cannot be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := mongostore.Open(t.Context(), mongostore.Config{
				URI: c.uri, Database: c.database, Log: slog.New(slog.DiscardHandler), Now: time.Now,
			})
			if sx.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("Open returned %v (%v), want code %s and %q", err, errors.Unwrap(err), c.code, c.says)
			}
			if e := sx.AsError(err); e.Hint == "" || strings.Contains(e.Message+e.Hint, "secret") || strings.Contains(e.Message, "sec/ret") {
				t.Errorf("the error is %q, %q", e.Message, e.Hint)
			}
		})
	}
	t.Run("a ctx that has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := mongostore.Open(ctx, mongostore.Config{
			URI: server.URI, Database: "sx", Log: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Open returned %v, want context.Canceled", err)
		}
	})
}
