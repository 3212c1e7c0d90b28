package standalone_test

import (
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestWorkOfAllAccounts checks what an administrator sees of others' work, through the
// services that know it.
func TestWorkOfAllAccounts(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	url, data := serve(t)
	admin, ctx := as(t, url, ownerToken(t, data)), t.Context()
	must(as(t, url, "").Register(ctx, api.Credentials{Name: "bob", Password: password}))(t)
	alice := must(as(t, url, "").Register(ctx, api.Credentials{Name: "alice", Password: password}))(t)
	uploads := tus.Client{API: as(t, url, alice.AccessToken)}
	job := must(uploads.Create(ctx, 1000, map[string]string{api.MetaFilename: "talk.mp4"}, ""))(t)

	one := func(f client.AdminJobFilter) {
		t.Helper()
		list, err := admin.AdminJobs(ctx, f)
		if err != nil || len(list.Jobs) != 1 || list.Next != "" {
			t.Fatalf("%+v: %+v, %v", f, list, err)
		}
		if j := list.Jobs[0]; j.Owner.Name != "alice" || j.Job.ID != job || j.Job.History == nil {
			t.Errorf("%+v: %+v", f, j)
		}
	}
	hour := time.Hour
	one(client.AdminJobFilter{})
	one(client.AdminJobFilter{Owner: "alice", States: []sx.State{sx.StateUploading}, Since: time.Now().Add(-hour), Name: "TALK"})
	one(client.AdminJobFilter{Owner: "Alice"}) // as at the sign-in
	none := func(f client.AdminJobFilter) {
		t.Helper()
		if list, err := admin.AdminJobs(ctx, f); err != nil || len(list.Jobs) != 0 {
			t.Errorf("%+v: %+v, %v", f, list, err)
		}
	}
	none(client.AdminJobFilter{Owner: "bob"})
	none(client.AdminJobFilter{Before: time.Now().Add(-hour)})
	none(client.AdminJobFilter{Since: time.Now().Add(hour)})
	none(client.AdminJobFilter{Code: sx.CodeNoAudio})
	for _, wrong := range []struct {
		filter client.AdminJobFilter
		code   sx.Code
	}{
		{client.AdminJobFilter{Owner: "nobody"}, sx.CodeNotFound},
		{client.AdminJobFilter{Code: "no_such_code"}, sx.CodeInvalid},
		{client.AdminJobFilter{Limit: api.MaxAdminLimit + 1}, sx.CodeInvalid},
		{client.AdminJobFilter{States: []sx.State{"asleep"}}, sx.CodeInvalid},
		{client.AdminJobFilter{After: "x"}, sx.CodeInvalid},
	} {
		if _, err := admin.AdminJobs(ctx, wrong.filter); sx.CodeOf(err) != wrong.code {
			t.Errorf("%+v: %v", wrong.filter, err)
		}
	}

	if j, err := admin.AdminJob(ctx, job); err != nil || j.Owner.Name != "alice" || j.Job.Name != "talk.mp4" {
		t.Errorf("the job is %+v, %v", j, err)
	}
	if _, err := admin.AdminJob(ctx, "none"); sx.CodeOf(err) != sx.CodeNotFound {
		t.Errorf("a job that does not exist: %v", err)
	}
	usage, err := admin.AdminUsage(ctx, "", 0)
	if err != nil || len(usage.Accounts) != 1 {
		t.Fatalf("usage: %+v, %v", usage, err)
	}
	if u := usage.Accounts[0]; u.Owner.Name != "alice" || u.Bytes != 1000 || u.Uploads != 1 || u.Jobs != 1 || u.Today != 1 {
		t.Errorf("alice uses %+v", u)
	}
	if _, err := admin.AdminUsage(ctx, "x", 0); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("an invalid cursor: %v", err)
	}
	q, err := admin.Queue(ctx)
	if err != nil || len(q.States) != 3 || len(q.Running)+len(q.Waiting) != 0 || len(q.Messages) != 2 {
		t.Fatalf("the queue is %+v, %v", q, err)
	}
	if s := q.States[0]; s.State != sx.StateUploading || s.Jobs != 1 || s.Oldest == nil {
		t.Errorf("uploads are %+v", s)
	}
}
