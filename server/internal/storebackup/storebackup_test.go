package storebackup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/storebackup"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// TestRoundTrip restores a backup of each store into the other and into one of its kind.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	stores := map[string]func(*testing.T) store.Store{
		"local": local,
		"mongo": func(t *testing.T) store.Store { return mongo(t, server) },
	}
	for from, source := range stores {
		for to, target := range stores {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				roundTrip(t, source(t), target(t))
			})
		}
	}
}

func roundTrip(t *testing.T, source, target store.Store) {
	fill(t, source)
	want := dump(t, source)
	raw := create(t, source)
	later := create(t, source)
	if i := len(later) / 10; !bytes.Equal(raw[i:len(raw)-2048], later[i:len(later)-2048]) {
		t.Error("the order of a second backup differs")
	}
	// What an installation begins with is replaced.
	ok(t, target.Users.Create(t.Context(), sx.User{ID: "first", Name: "ada"}))
	restored := restore(t, target, raw)
	if restored.Jobs != 6 || restored.Videos != 3 || restored.Uploads != 2 || restored.Tracks != 1 || restored.Dropped != 0 {
		t.Errorf("the summary is %+v", restored)
	}

	got := dump(t, target)
	for i := range want.Jobs {
		if j := &want.Jobs[i]; j.State == sx.StateRunning {
			ok(t, j.Release(j.Attempt, got.Jobs[i].Updated)) // no converter has it
		}
	}
	ignoreRev := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Rev" }, cmp.Ignore())
	milliseconds := cmp.Comparer(func(a, b time.Time) bool { return a.UnixMilli() == b.UnixMilli() }) // see package store
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(sx.Error{}), cmpopts.EquateEmpty(), ignoreRev, milliseconds); d != "" {
		t.Errorf("the restored store differs (-want +got):\n%s", d)
	}
	if want.Bytes["done-1"] != sum(mp3) || len(want.Bytes) != 6 {
		t.Errorf("the digests are %v", want.Bytes)
	}

	// A half-finished upload continues, and the job that was claimed is claimed again.
	grow(t, target, "half", len(video)/2, len(video))
	grow(t, target, "empty", 0, len(video))
	for _, id := range []string{"half", "empty", "running", "queued"} {
		b, err := target.Videos.Open(t.Context(), id)
		ok(t, err)
		if read(t, b) != sum(video) {
			t.Errorf("the video %s differs", id)
		}
		change(t, target, id, func(j *sx.Job) error { return j.Claim("converter", time.Hour, time.Now()) })
	}
}

// meddling calls a function before the first bytes of the named blob are read.
type meddling struct {
	store.Dump
	store.Tracks
	at string
	do func()
}

func (m *meddling) Upload(ctx context.Context, id string) (store.Upload, store.Blob, error) {
	up, b, err := m.Dump.Upload(ctx, id)
	m.meddle(id)
	return up, b, err
}

func (m *meddling) Open(ctx context.Context, id string) (store.Blob, error) {
	b, err := m.Tracks.Open(ctx, id)
	m.meddle(id)
	return b, err
}

func (m *meddling) meddle(id string) {
	if id == m.at && m.do != nil {
		do := m.do
		m.do = nil
		do()
	}
}

// TestChanges changes jobs while they are read.
func TestChanges(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	for name, open := range map[string]func(*testing.T) store.Store{
		"local": local,
		"mongo": func(t *testing.T) store.Store { return mongo(t, server) },
	} {
		remove := func(t *testing.T, s store.Store, id string) {
			ok(t, s.Videos.Remove(t.Context(), id))
			ok(t, s.Tracks.Remove(t.Context(), sx.TrackID(id, 1, 1)))
			j, err := s.Jobs.Get(t.Context(), id)
			ok(t, err)
			ok(t, s.Jobs.Delete(t.Context(), j))
		}
		for _, c := range []struct {
			name   string
			at     string
			before func(*testing.T, store.Store)
			do     func(*testing.T, store.Store)
			check  func(*testing.T, all)
		}{
			{
				"an upload grows", "job",
				func(t *testing.T, s store.Store) { upload(t, s, "job", 1000) },
				func(t *testing.T, s store.Store) { grow(t, s, "job", 1000, 400_000) },
				func(t *testing.T, a all) {
					if a.Bytes["job"] != sum(video[:1000]) || a.Jobs[0].State != sx.StateUploading {
						t.Errorf("%v, %s", a.Uploads, a.Jobs[0].State)
					}
				},
			}, {
				"an upload is completed and converted", "job",
				func(t *testing.T, s store.Store) { upload(t, s, "job", 300_000) },
				func(t *testing.T, s store.Store) {
					grow(t, s, "job", 300_000, len(video))
					finish(t, s, "job", mp3)
				},
				func(t *testing.T, a all) {
					if a.Bytes["job"] != sum(video) || a.Bytes["job-1"] != sum(mp3) || a.Jobs[0].State != sx.StateDone {
						t.Errorf("%v, %s", a.Bytes, a.Jobs[0].State)
					}
				},
			}, {
				"a job is converted", "job",
				func(t *testing.T, s store.Store) { upload(t, s, "job", len(video)) },
				func(t *testing.T, s store.Store) { finish(t, s, "job", mp3) },
				func(t *testing.T, a all) {
					if a.Bytes["job"] != sum(video) || a.Bytes["job-1"] != sum(mp3) || a.Jobs[0].State != sx.StateDone {
						t.Errorf("%v, %s", a.Bytes, a.Jobs[0].State)
					}
				},
			}, {
				"a job is removed", "job",
				func(t *testing.T, s store.Store) {
					upload(t, s, "job", len(video))
					finish(t, s, "job", mp3)
				},
				func(t *testing.T, s store.Store) { remove(t, s, "job") },
				func(t *testing.T, a all) {
					if len(a.Jobs)+len(a.Uploads)+len(a.Bytes) > 0 {
						t.Errorf("something remains: %v", a)
					}
				},
			}, {
				"a video is deleted, but not its MP3", "job",
				func(t *testing.T, s store.Store) {
					upload(t, s, "job", len(video))
					finish(t, s, "job", mp3)
				},
				func(t *testing.T, s store.Store) {
					ok(t, s.Videos.Remove(t.Context(), "job"))
					change(t, s, "job", func(j *sx.Job) error { return j.DeleteVideo(time.Now().Add(time.Hour)) })
				},
				func(t *testing.T, a all) {
					if len(a.Uploads) > 0 || a.Bytes["job-1"] != sum(mp3) || !a.Jobs[0].VideoDeleted {
						t.Errorf("%v", a.Bytes)
					}
				},
			}, {
				"an MP3 is edited", "job-1",
				func(t *testing.T, s store.Store) {
					upload(t, s, "job", len(video))
					finish(t, s, "job", mp3)
				},
				func(t *testing.T, s store.Store) {
					edited := sx.Track{ID: "job-1-edited", Name: "new.mp3", Size: 3, SHA256: sum([]byte("new"))}
					_, err := s.Tracks.Put(t.Context(), edited.ID, edited.Name, store.Head{}, bytes.NewReader([]byte("new")))
					ok(t, err)
					change(t, s, "job", func(j *sx.Job) error { return j.ReplaceTrack("job-1", edited, time.Now()) })
					ok(t, s.Tracks.Remove(t.Context(), "job-1"))
				},
				func(t *testing.T, a all) {
					if a.Bytes["job-1-edited"] != sum([]byte("new")) || a.Bytes["job-1"] != "" {
						t.Errorf("%v", a.Bytes)
					}
				},
			},
		} {
			t.Run(name+": "+c.name, func(t *testing.T) {
				t.Parallel()
				s := open(t)
				ok(t, s.Users.Create(t.Context(), sx.User{ID: "owner", Name: "ada"}))
				c.before(t, s)
				m := &meddling{Dump: s.Dump, Tracks: s.Tracks, at: c.at, do: func() { c.do(t, s) }}
				meddled := s
				meddled.Dump, meddled.Tracks = m, m
				raw := create(t, meddled)
				if m.do != nil {
					t.Fatal("nothing was changed")
				}
				target := local(t)
				restore(t, target, raw)
				c.check(t, dump(t, target))
			})
		}
	}
}

// TestDamaged has an MP3 and a video that cannot be read. Everything else is in the backup.
func TestDamaged(t *testing.T) {
	t.Parallel()
	s := local(t)
	fill(t, s)
	ok(t, s.Tracks.Remove(t.Context(), "done-1"))
	_, err := s.Tracks.Put(t.Context(), "done-1", "done.mp3", store.Head{}, bytes.NewReader([]byte("other bytes")))
	ok(t, err)
	ok(t, s.Videos.Remove(t.Context(), "queued"))
	var out bytes.Buffer
	log, lines := testkit.Logger(t)
	result, err := storebackup.Create(t.Context(), s, files, &out, log, time.Now())
	ok(t, err)
	if n := len(lines.Find(t, "a video or MP3 could not be read; the backup lacks it")); result.Damaged != 2 || n != 2 {
		t.Errorf("%+v, and %d lines in the log", result, n)
	}
	// Somebody has to look at it, so it does not count as the last backup.
	ok(t, storebackup.Record(t.Context(), s.Tasks, storebackup.Result{}, time.Unix(1000, 0)))
	ok(t, storebackup.Record(t.Context(), s.Tasks, result, time.Unix(2000, 0)))
	if at, err := storebackup.Last(t.Context(), s.Tasks); err != nil || at.Unix() != 1000 {
		t.Errorf("the last backup is of %v, %v", at, err)
	}
	target := local(t)
	restored := restore(t, target, out.Bytes())
	if restored.DamagedTotal != 2 || len(restored.Damaged) != 2 || restored.Jobs != 6 || restored.Videos != 2 {
		t.Errorf("the summary is %+v", restored)
	}
	got := dump(t, target)
	if len(got.Jobs) != 6 || got.Bytes["done-1"] != "" || got.Bytes["queued"] != "" || got.Bytes["running"] != sum(video) {
		t.Errorf("the digests are %v", got.Bytes)
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	source := local(t)
	fill(t, source)
	raw := create(t, source)
	into := func(t *testing.T, s store.Store, raw []byte) error {
		_, err := storebackup.Restore(t.Context(), s, bytes.NewReader(raw), func(backup.File) error { return nil }, time.Now)
		return err
	}
	code := func(t *testing.T, err error, want sx.Code) {
		t.Helper()
		if sx.CodeOf(err) != want || sx.AsError(err).Hint == "" {
			t.Errorf("got %v (code %q), want code %q with a hint", err, sx.CodeOf(err), want)
		}
	}
	for name, occupy := range map[string]func(*testing.T, store.Store) error{
		"two accounts": func(t *testing.T, s store.Store) error {
			return errors.Join(s.Users.Create(t.Context(), sx.User{ID: "a", Name: "a"}), s.Users.Create(t.Context(), sx.User{ID: "b", Name: "b"}))
		},
		"a job":   func(t *testing.T, s store.Store) error { return s.Jobs.Create(t.Context(), sx.Job{ID: "a"}) },
		"a video": func(t *testing.T, s store.Store) error { return s.Videos.Create(t.Context(), "a", "a", 1) },
		"an MP3": func(t *testing.T, s store.Store) error {
			_, err := s.Tracks.Put(t.Context(), "a", "a", store.Head{}, bytes.NewReader(nil))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := local(t)
			ok(t, occupy(t, s))
			code(t, into(t, s, raw), sx.CodeConflict)
		})
	}
	t.Run("the same backup twice", func(t *testing.T) {
		t.Parallel()
		s := local(t)
		ok(t, into(t, s, raw))
		code(t, into(t, s, raw), sx.CodeConflict)
	})
	t.Run("cut in an MP3", func(t *testing.T) {
		t.Parallel()
		code(t, into(t, local(t), raw[:bytes.Index(raw, []byte("tracks/done-1/00000002"))+1000]), sx.CodeBackupDamaged)
	})
	t.Run("a changed bit at the end of an MP3", func(t *testing.T) {
		t.Parallel()
		changed := bytes.Clone(raw)
		changed[bytes.Index(raw, []byte("jobs/done.json"))-1000] ^= 1
		code(t, into(t, local(t), changed), sx.CodeBackupDamaged)
	})
	for _, n := range []int{0, 2, 99} {
		t.Run(fmt.Sprintf("format %d", n), func(t *testing.T) {
			t.Parallel()
			code(t, into(t, local(t), headed(t, n, nil)), sx.CodeStoredFormat)
		})
	}
	for name, write := range map[string]func(*backup.Writer) error{
		"another ID":              func(w *backup.Writer) error { return w.Document(backup.Users, "a", sx.User{ID: "b", Name: "b"}) },
		"a list":                  func(w *backup.Writer) error { return w.Document(backup.Users, "a", []int{1}) },
		"a job's other ID":        func(w *backup.Writer) error { return w.Write("jobs/a.json", []byte(`{"job":{"ID":"b"},"blobs":[]}`)) },
		"a job that is no object": func(w *backup.Writer) error { return w.Write("jobs/a.json", []byte(`{"job":7,"blobs":[]}`)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code(t, into(t, local(t), headed(t, 1, write)), sx.CodeBackupDamaged)
		})
	}
}

// headed returns an archive with the given format.
func headed(t *testing.T, n int, write func(*backup.Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.Header{Format: n, Release: "9.9.9"})
	ok(t, err)
	if write != nil {
		ok(t, write(w))
	}
	ok(t, w.Close())
	return out.Bytes()
}

// TestUnknownOwner has a job whose owner's account was deleted while the backup was
// created.
func TestUnknownOwner(t *testing.T) {
	t.Parallel()
	s := local(t)
	upload(t, s, "job", len(video))
	target := local(t)
	if restored := restore(t, target, create(t, s)); restored.Dropped != 1 {
		t.Errorf("the summary is %+v", restored)
	}
	if a := dump(t, target); len(a.Jobs)+len(a.Bytes) > 0 {
		t.Errorf("something remains: %v", a)
	}
}
