package storebackup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/internal/storebackup"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

var quiet = slog.New(slog.DiscardHandler)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v (%v)", err, errors.Unwrap(err))
	}
}

func local(t *testing.T) store.Store {
	t.Helper()
	s, err := localstore.Open(t.Context(), localstore.Config{Dir: t.TempDir()})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func mongo(t *testing.T, server *mongodb.Server) store.Store {
	t.Helper()
	s, err := mongostore.Open(t.Context(), mongostore.Config{
		URI: server.URI, Database: server.Database(t).Name(), Log: quiet, Now: time.Now,
	})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func content(seed byte, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// The sizes need several parts, and several chunks of GridFS.
var (
	video = content(1, 700_000)
	mp3   = content(2, backup.MaxData+300_000)
)

// fill stores a user with everything, and jobs in all states of a video.
func fill(t *testing.T, s store.Store) {
	t.Helper()
	ctx := t.Context()
	user := testkit.Filled[sx.User](t)
	user.ID, user.Name = "owner", "ada"
	ok(t, s.Users.Create(ctx, user))
	for i := range 3 { // more than one
		id := fmt.Sprintf("id-%d", i)
		session := testkit.Filled[sx.Session](t)
		session.ID, session.UserID = id, user.ID
		ok(t, s.Sessions.Create(ctx, session))
		invitation := testkit.Filled[sx.Invitation](t)
		invitation.ID = id
		ok(t, s.Invitations.Create(ctx, invitation))
		binding := testkit.Filled[sx.Binding](t)
		binding.ID, binding.UserID = id, user.ID
		ok(t, s.Bindings.Create(ctx, binding))
		token := testkit.Filled[sx.PersonalToken](t)
		token.ID, token.UserID, token.Name = id, user.ID, id
		ok(t, s.PersonalTokens.Create(ctx, token))
		delivery := testkit.Filled[sx.Delivery](t)
		delivery.ID, delivery.UserID = id, user.ID
		ok(t, s.Deliveries.Create(ctx, delivery))
		conversion := testkit.Filled[sx.Conversion](t)
		conversion.Owner, conversion.Identity = user.ID, id
		ok(t, s.Conversions.Put(ctx, conversion, 100))
		entry := testkit.Filled[sx.AuditEntry](t)
		entry.ID = store.AuditID(time.Unix(int64(1e9+i), 0))
		ok(t, s.Audit.Append(ctx, entry))
	}
	settings := testkit.Filled[sx.NotificationSettings](t)
	settings.UserID, settings.Rev = user.ID, 0
	ok(t, s.NotificationSettings.Replace(ctx, settings))
	feeds := testkit.Filled[sx.Feeds](t)
	feeds.Owner, feeds.Rev = user.ID, 0
	ok(t, s.Feeds.Replace(ctx, feeds))
	for _, owner := range []string{user.ID, sx.ServerLimits} {
		limits := testkit.Filled[sx.Limits](t)
		limits.Owner, limits.Rev = owner, 0
		ok(t, s.Limits.Replace(ctx, limits))
	}
	erasure := testkit.Filled[sx.Erasure](t)
	erasure.UserID = "another"
	ok(t, s.Erasures.Create(ctx, erasure))

	upload(t, s, "done", len(video))
	finish(t, s, "done", mp3)
	upload(t, s, "queued", len(video))
	upload(t, s, "running", len(video))
	change(t, s, "running", func(j *sx.Job) error { return j.Claim("converter", time.Hour, time.Now()) })
	upload(t, s, "half", len(video)/2)
	upload(t, s, "empty", 0)
	upload(t, s, "cancelled", 10)
	change(t, s, "cancelled", func(j *sx.Job) error { return j.Cancel(time.Now()) })
	ok(t, s.Videos.Remove(ctx, "cancelled"))
}

// upload stores a job and the first bytes of its video.
func upload(t *testing.T, s store.Store, id string, n int) {
	t.Helper()
	ok(t, s.Videos.Create(t.Context(), id, id+".mp4", int64(len(video))))
	j := sx.NewJob("owner", sx.NewUpload{Source: sx.Source{Name: id + ".mp4"}, Size: int64(len(video))}, time.Now().Truncate(time.Millisecond))
	j.ID = id
	ok(t, s.Jobs.Create(t.Context(), j))
	grow(t, s, id, 0, n)
}

// grow stores bytes of the video, and queues the job if it is complete.
func grow(t *testing.T, s store.Store, id string, from, to int) {
	t.Helper()
	_, err := s.Videos.Append(t.Context(), id, int64(from), bytes.NewReader(video[from:to]))
	ok(t, err)
	if to < len(video) {
		return
	}
	up, err := s.Videos.Complete(t.Context(), id)
	ok(t, err)
	change(t, s, id, func(j *sx.Job) error { return j.Queue(up.SHA256, time.Now()) })
}

func change(t *testing.T, s store.Store, id string, do func(*sx.Job) error) {
	t.Helper()
	_, err := store.Update(t.Context(), id, s.Jobs.Get, s.Jobs.Replace, do)
	ok(t, err)
}

// finish stores an MP3 of a queued job.
func finish(t *testing.T, s store.Store, id string, mp3 []byte) {
	t.Helper()
	change(t, s, id, func(j *sx.Job) error { return j.Claim("converter", time.Hour, time.Now()) })
	d, err := s.Tracks.Put(t.Context(), sx.TrackID(id, 1, 1), id+".mp3", store.Head{}, bytes.NewReader(mp3))
	ok(t, err)
	change(t, s, id, func(j *sx.Job) error {
		return j.Finish(1, []sx.Track{{ID: sx.TrackID(id, 1, 1), Name: id + ".mp3", Size: d.Size, SHA256: d.SHA256}}, nil, time.Now())
	})
}

var files = []backup.File{
	{Kind: backup.Values, Name: "values.yaml", Data: []byte("gateway: {}\n")},
	{Kind: backup.Secrets, Name: backup.AuthKeys + "/0.pem", Data: []byte("key")},
}

func create(t *testing.T, s store.Store) []byte {
	t.Helper()
	var out bytes.Buffer
	result, err := storebackup.Create(t.Context(), s, files, &out, quiet, time.Now())
	ok(t, err)
	if result.Damaged > 0 {
		t.Errorf("%d videos and MP3s are damaged", result.Damaged)
	}
	return out.Bytes()
}

func restore(t *testing.T, s store.Store, raw []byte) storebackup.Restored {
	t.Helper()
	var kept []backup.File
	restored, err := storebackup.Restore(t.Context(), s, bytes.NewReader(raw), func(f backup.File) error {
		kept = append(kept, f)
		return nil
	}, time.Now)
	ok(t, err)
	slices.Reverse(kept) // secrets come first
	if d := cmp.Diff(files, kept); d != "" {
		t.Errorf("the files differ (-want +got):\n%s", d)
	}
	return restored
}

// all is everything in a store, by kind and ID.
type all struct {
	Users                []sx.User
	Sessions             []sx.Session
	Invitations          []sx.Invitation
	Bindings             []sx.Binding
	PersonalTokens       []sx.PersonalToken
	NotificationSettings []sx.NotificationSettings
	Feeds                []sx.Feeds
	Limits               []sx.Limits
	Erasures             []sx.Erasure
	Conversions          []sx.Conversion
	Deliveries           []sx.Delivery
	Audit                []sx.AuditEntry
	Jobs                 []sx.Job
	Uploads              map[string]store.Upload
	Bytes                map[string]string // digests of videos and MP3s, by ID
	Usage                sx.Usage
}

func dump(t *testing.T, s store.Store) (a all) {
	t.Helper()
	ctx := t.Context()
	var err error
	a.Users, _, err = s.Users.List(ctx, "", 0)
	ok(t, err)
	a.Sessions = pages(t, s.Dump.Sessions)
	a.Invitations = pages(t, s.Dump.Invitations)
	a.Bindings = pages(t, s.Dump.Bindings)
	a.PersonalTokens = pages(t, s.Dump.PersonalTokens)
	a.NotificationSettings = pages(t, s.Dump.NotificationSettings)
	a.Feeds = pages(t, s.Dump.Feeds)
	a.Limits = pages(t, s.Dump.Limits)
	a.Erasures = pages(t, s.Dump.Erasures)
	a.Conversions = pages(t, s.Dump.Conversions)
	a.Deliveries = pages(t, s.Dump.Deliveries)
	a.Audit, _, err = s.Audit.List(ctx, store.AuditFilter{Limit: 100})
	ok(t, err)
	a.Jobs, _, err = s.Jobs.List(ctx, store.JobFilter{})
	ok(t, err)
	a.Uploads, a.Bytes = map[string]store.Upload{}, map[string]string{}
	ids, _, err := s.Videos.List(ctx, "", 100)
	ok(t, err)
	for _, id := range ids {
		up, b, err := s.Dump.Upload(ctx, id)
		ok(t, err)
		up.Updated = time.Time{}
		a.Uploads[id], a.Bytes[id] = up, read(t, b)
	}
	ids, _, err = s.Tracks.List(ctx, "", 1000)
	ok(t, err)
	for _, id := range ids {
		b, err := s.Tracks.Open(ctx, id)
		ok(t, err)
		a.Bytes[id] = read(t, b)
	}
	a.Usage, err = s.Jobs.Usage(ctx, "owner", time.Now())
	ok(t, err)
	return a
}

func read(t *testing.T, b store.Blob) string {
	t.Helper()
	raw, err := io.ReadAll(b)
	ok(t, errors.Join(err, b.Close()))
	if int64(len(raw)) != b.Size() {
		t.Errorf("read %d of %d bytes", len(raw), b.Size())
	}
	return sum(raw)
}

// pages reads all records, two at a time.
func pages[T any](t *testing.T, page func(context.Context, string, int) ([]T, string, error)) (all []T) {
	t.Helper()
	for cursor := ""; ; {
		list, next, err := page(t.Context(), cursor, 2)
		ok(t, err)
		if len(list) > 2 {
			t.Errorf("a page has %d records", len(list))
		}
		all = append(all, list...)
		if cursor = next; cursor == "" {
			return all
		}
	}
}
