package auth_test

import (
	"slices"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// TestLimitsOfAccount checks that an administrator can change each limit of an account
// alone, and restore the server's.
func TestLimitsOfAccount(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	tokens, ada := b.registerRoot(t), b.register(t, "ada")
	root := b.as(t, tokens.AccessToken)
	b.clock.Advance(time.Second)
	begin := b.clock.Now()
	size, uploads, week, forever := int64(50<<30), 10, int64(7*24*3600), int64(0)

	edit := func(in api.LimitsEdit) *api.Limits {
		t.Helper()
		got, err := root.EditLimits(t.Context(), "ada", in)
		if err != nil || got.Name != "ada" {
			t.Fatalf("got %+v, %v", got, err)
		}
		b.clock.Advance(time.Second)
		return got.Limits
	}
	edit(api.LimitsEdit{Limits: api.Limits{Bytes: &size, Uploads: &uploads}})
	got := edit(api.LimitsEdit{Limits: api.Limits{KeepVideos: &week, KeepTracks: &forever}, Reset: []api.LimitName{api.LimitUploads}})
	if got == nil || *got.Bytes != size || got.Uploads != nil || got.JobsPerDay != nil || *got.KeepVideos != week || got.KeepFailed != nil || *got.KeepTracks != 0 {
		t.Errorf("got %+v", got)
	}
	stored, err := b.store.Limits.Get(t.Context(), ada.User.ID)
	if err != nil || *stored.Bytes != size || *stored.Videos != 7*24*time.Hour || *stored.Tracks != 0 {
		t.Errorf("stored %+v, %v", stored, err)
	}

	list, err := root.Users(t.Context(), "", 0)
	if err != nil || len(list.Users) != 2 {
		t.Fatalf("got %+v, %v", list, err)
	}
	for _, u := range list.Users {
		if (u.Limits != nil) != (u.Name == "ada") || u.Limits != nil && *u.Limits.Bytes != size {
			t.Errorf("got %+v with the limits %+v", u.User, u.Limits)
		}
	}

	got = edit(api.LimitsEdit{Reset: []api.LimitName{
		api.LimitBytes, api.LimitUploads, api.LimitJobsPerDay, api.LimitKeepVideos, api.LimitKeepFailed, api.LimitKeepTracks,
	}})
	if got != nil {
		t.Errorf("got %+v, want none", got)
	}
	if _, err := root.EditLimits(t.Context(), "nobody", api.LimitsEdit{Limits: api.Limits{Bytes: &size}}); sx.CodeOf(err) != sx.CodeNotFound {
		t.Errorf("got %v", err)
	}
	want := []string{"root set_limits ada ok", "root set_limits ada ok", "root set_limits ada ok", "root set_limits nobody not_found"}
	if got := b.audited(t, tokens, "", begin); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

func TestInvalidLimitsOfAccount(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	root, ada := b.registerRoot(t), b.register(t, "ada")
	path := "/v1/admin/users/ada/limits"
	for _, body := range []string{
		`{}`, `{"reset":[]}`, `{"reset":["byte"]}`, `{"bytes":-1}`, `{"uploads":-1}`, `{"jobs_per_day":-1}`,
		`{"keep_videos":59}`, `{"keep_failed":-1}`, `{"keep_tracks":3153600001}`, `{"keep_tracks":9223372036854775807}`,
		`{"bytes":1e30}`, `{"bytes":"1"}`,
	} {
		if _, e := b.send(t, "PATCH", path, body, "Authorization", "Bearer "+root.AccessToken); e.Code != sx.CodeInvalid {
			t.Errorf("%s: got %+v", body, e)
		}
	}
	size := int64(1)
	_, err := b.as(t, ada.AccessToken).EditLimits(t.Context(), "ada", api.LimitsEdit{Limits: api.Limits{Bytes: &size}})
	wantCode(t, err, sx.CodeForbidden)
	if l, err := b.store.Limits.Get(t.Context(), ada.User.ID); err != nil || !l.None() {
		t.Errorf("stored %+v, %v", l, err)
	}
}

// TestLimitsOfDeletedAccount checks that an account that is being deleted gets no limits,
// which would be left behind.
func TestLimitsOfDeletedAccount(t *testing.T) {
	t.Parallel()
	b := start(t, withRoot)
	tokens, ada := b.registerRoot(t), b.register(t, "ada")
	root := b.as(t, tokens.AccessToken)
	if _, err := root.DeleteUser(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	size := int64(1)
	_, err := root.EditLimits(t.Context(), "ada", api.LimitsEdit{Limits: api.Limits{Bytes: &size}})
	wantCode(t, err, sx.CodeConflict)
	if l, err := b.store.Limits.Get(t.Context(), ada.User.ID); err != nil || !l.None() {
		t.Errorf("stored %+v, %v", l, err)
	}
}
