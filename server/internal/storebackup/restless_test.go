package storebackup_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/storebackup"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// split stores a job with n MP3s.
func split(t *testing.T, s store.Store, id string, n int) {
	t.Helper()
	upload(t, s, id, len(video))
	change(t, s, id, func(j *sx.Job) error { return j.Claim("converter", time.Hour, time.Now()) })
	var tracks []sx.Track
	for i := range n {
		track := sx.Track{ID: sx.TrackID(id, 1, i+1), Name: sx.PartName(id, i+1, n, strings.Repeat("<", sx.MaxName))}
		track.Title = track.Name
		d, err := s.Tracks.Put(t.Context(), track.ID, track.Name, store.Head{}, strings.NewReader(track.ID))
		ok(t, err)
		track.Size, track.SHA256 = d.Size, d.SHA256
		tracks = append(tracks, track)
	}
	change(t, s, id, func(j *sx.Job) error { return j.Finish(1, tracks, nil, time.Now()) })
}

// edit replaces an MP3 as the gateway does.
func edit(t *testing.T, s store.Store, job string, number int) {
	t.Helper()
	j, err := s.Jobs.Get(t.Context(), job)
	ok(t, err)
	old := *j.Track(number)
	track := old
	track.ID = sx.EditedTrackID(old.ID, time.Now())
	d, err := s.Tracks.Put(t.Context(), track.ID, track.Name, store.Head{}, strings.NewReader(track.ID))
	ok(t, err)
	track.Size, track.SHA256 = d.Size, d.SHA256
	change(t, s, job, func(j *sx.Job) error { return j.ReplaceTrack(old.ID, track, time.Now()) })
	ok(t, s.Tracks.Remove(t.Context(), old.ID))
}

// lacks returns how many MP3s of the job are not there, and fails the test if the job is not
// or an MP3 differs.
func lacks(t *testing.T, a all, id string) (n int) {
	t.Helper()
	i := slices.IndexFunc(a.Jobs, func(j sx.Job) bool { return j.ID == id })
	if i < 0 {
		t.Fatalf("the job %s is missing", id)
	}
	for _, track := range a.Jobs[i].Tracks {
		switch a.Bytes[track.ID] {
		case "":
			n++
		case track.SHA256:
		default:
			t.Errorf("the MP3 %s differs", track.ID)
		}
	}
	return n
}

// TestMaxTracks has a job with as many MP3s as it may have.
func TestMaxTracks(t *testing.T) {
	t.Parallel()
	s := local(t)
	ok(t, s.Users.Create(t.Context(), sx.User{ID: "owner", Name: "ada"}))
	split(t, s, "done", sx.MaxTracks)
	want := dump(t, s)
	raw := create(t, s)
	r, err := backup.NewReader(bytes.NewReader(raw))
	ok(t, err)
	summary, err := r.Verify()
	ok(t, err)
	if summary.Tracks != sx.MaxTracks {
		t.Errorf("the summary is %+v", summary)
	}
	target := local(t)
	restore(t, target, raw)
	got := dump(t, target)
	if n := lacks(t, got, "done"); n > 0 {
		t.Errorf("%d MP3s are missing", n)
	}
	if d := cmp.Diff(want.Jobs, got.Jobs, cmpopts.IgnoreFields(sx.Job{}, "Rev"), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the restored job differs (-want +got):\n%s", d)
	}
}

// disturbed is a store whose MP3s change, disappear or cannot be read.
type disturbed struct {
	store.Tracks
	open func(id string, b store.Blob) (store.Blob, error)
}

func (d *disturbed) Open(ctx context.Context, id string) (store.Blob, error) {
	b, err := d.Tracks.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.open(id, b)
}

// cut is a blob that disappears after some bytes.
type cut struct {
	store.Blob
	left int64
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, sx.NewError(sx.CodeNotFound, "it was removed")
	}
	n, err := c.Blob.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// TestRestless has jobs that do not come to rest, and others that do.
func TestRestless(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		tracks  int
		open    func(t *testing.T, s store.Store) func(id string, b store.Blob) (store.Blob, error)
		damaged int
	}{
		{
			"an MP3 is edited at each read, and its bytes remain readable", 2,
			func(t *testing.T, s store.Store) func(string, store.Blob) (store.Blob, error) {
				return func(id string, b store.Blob) (store.Blob, error) {
					if strings.HasPrefix(id, "restless-1.2") {
						edit(t, s, "restless", 2)
					}
					return b, nil
				}
			}, 0,
		}, {
			"an MP3 is edited at each read, and its bytes disappear", 3,
			func(t *testing.T, s store.Store) func(string, store.Blob) (store.Blob, error) {
				return func(id string, b store.Blob) (store.Blob, error) {
					if strings.HasPrefix(id, "restless-1.2") {
						edit(t, s, "restless", 2) // between two that do not change
						return &cut{b, 5}, nil
					}
					return b, nil
				}
			}, 1,
		}, {
			"an MP3 is edited once, while another cannot be read for a moment", 3,
			func(t *testing.T, s store.Store) func(string, store.Blob) (store.Blob, error) {
				disturb := true
				return func(id string, b store.Blob) (store.Blob, error) {
					if disturb && id == "restless-1.2" {
						disturb = false
						edit(t, s, "restless", 1)
						return &cut{b, 5}, nil
					}
					return b, nil
				}
			}, 0,
		}, {
			"many MP3s cannot be read", 30,
			func(*testing.T, store.Store) func(string, store.Blob) (store.Blob, error) {
				return func(id string, b store.Blob) (store.Blob, error) {
					if strings.HasPrefix(id, "restless") {
						return nil, fmt.Errorf("input/output error")
					}
					return b, nil
				}
			}, 30,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := local(t)
			ok(t, s.Users.Create(t.Context(), sx.User{ID: "owner", Name: "ada"}))
			split(t, s, "older", 2)
			split(t, s, "restless", c.tracks)
			split(t, s, "newer", 2)
			source := s
			source.Tracks = &disturbed{s.Tracks, c.open(t, s)}
			var out bytes.Buffer
			log, lines := testkit.Logger(t)
			result, err := storebackup.Create(t.Context(), source, files, &out, log, time.Now())
			ok(t, err)
			if n := len(lines.Find(t, "a video or MP3 could not be read; the backup lacks it")); result.Jobs != 3 || result.Damaged != c.damaged || n != c.damaged {
				t.Errorf("%+v, and %d lines in the log", result, n)
			}
			target := local(t)
			restored := restore(t, target, out.Bytes())
			if restored.DamagedTotal != c.damaged || restored.Jobs != 3 {
				t.Errorf("the summary is %+v", restored)
			}
			got := dump(t, target)
			if n := lacks(t, got, "restless"); n != c.damaged || lacks(t, got, "older")+lacks(t, got, "newer") > 0 {
				t.Errorf("%d MP3s of the job are missing, or some of others", n)
			}
			if len(got.Bytes) != 3+2+c.tracks+2-c.damaged {
				t.Errorf("%d videos and MP3s are restored", len(got.Bytes))
			}
		})
	}
}

// renewed is a store in which a token is replaced by one of the same name after the first
// page was read.
type renewed struct {
	store.Dump
	renew func()
}

func (r *renewed) PersonalTokens(ctx context.Context, after string, limit int) ([]sx.PersonalToken, string, error) {
	if after != "" {
		r.renew()
	}
	return r.Dump.PersonalTokens(ctx, after, limit)
}

// TestRenewedToken has two tokens of the same name in a backup. The second one is restored.
func TestRenewedToken(t *testing.T) {
	t.Parallel()
	s := local(t)
	ok(t, s.Users.Create(t.Context(), sx.User{ID: "owner", Name: "ada"}))
	token := sx.PersonalToken{UserID: "owner", Expires: time.Now().Add(time.Hour)}
	for i := range 150 {
		token.ID, token.Name = fmt.Sprintf("%03d", i), fmt.Sprintf("name-%d", i)
		ok(t, s.PersonalTokens.Create(t.Context(), token))
	}
	source := s
	source.Dump = &renewed{s.Dump, func() {
		ok(t, s.PersonalTokens.Delete(t.Context(), "007"))
		token.ID, token.Name = "new", "name-7"
		ok(t, s.PersonalTokens.Create(t.Context(), token))
	}}
	target := local(t)
	restore(t, target, create(t, source))
	list, err := target.PersonalTokens.List(t.Context(), "owner")
	ok(t, err)
	i := slices.IndexFunc(list, func(v sx.PersonalToken) bool { return v.Name == "name-7" })
	if len(list) != 150 || i < 0 || list[i].ID != "new" {
		t.Errorf("there are %d tokens, and that with the name is %d", len(list), i)
	}
}
