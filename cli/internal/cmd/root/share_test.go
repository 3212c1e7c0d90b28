package root_test

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestShare follows a link from its creation to the end of the account.
func TestShare(t *testing.T) {
	server := signIn(t)
	run(t, "share", "list").want(t, 0, "", "no links yet; create one with: sx share create JOB\n")
	run(t, "share", "list", "--json").want(t, 0, "[]\n", "")
	server.AddJobs("anna", job("aaaa", "a.mp4", sx.StateQueued))
	run(t, "share", "create", "aaaa").wantPart(t, 1, "job aaaa is queued and has no MP3 to share")
	run(t, "share", "create", "none").wantPart(t, 65, "job none not found")
	made := job(sx.NewID(), "talk.mp4", sx.StateQueued)
	server.AddJobs("anna", made)
	server.Finish(made.ID, []byte("an MP3"))

	r := run(t, "share", "create", "talk.mp4", "--expires", "12h")
	link := strings.TrimSpace(r.out)
	id := regexp.MustCompile(`sx share revoke (\S+)\n$`).FindStringSubmatch(r.errOut)
	if r.code != 0 || !strings.HasPrefix(link, server.URL+"/s/sxl_") || id == nil {
		t.Fatalf("got %+v", r)
	}
	get := func(path string) (int, string) {
		t.Helper()
		res, err := http.Get(link + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(raw)
	}
	if status, page := get(""); status != http.StatusOK || !strings.Contains(page, "<h1>talk</h1>") {
		t.Errorf("the page: %d %s", status, page)
	}
	if status, mp3 := get("/1"); status != http.StatusOK || mp3 != "an MP3" {
		t.Errorf("the MP3: %d %q", status, mp3)
	}
	if r := run(t, "share", "list"); !regexp.MustCompile(`^` + id[1] + "\ttalk.mp4\t1\t20\\S+Z\t20\\S+Z\n$").MatchString(r.out) {
		t.Errorf("the list is %+v", r)
	}
	var list []struct {
		ID, Job, Name string
		Uses          int
	}
	if err := json.Unmarshal([]byte(run(t, "share", "ls", "--json").out), &list); err != nil || len(list) != 1 || list[0].ID != id[1] || list[0].Job != made.ID || list[0].Uses != 1 {
		t.Errorf("the list is %+v, %v", list, err)
	}
	run(t, "__complete", "share", "revoke", "").wantPart(t, 0, id[1]+"\ttalk.mp4")

	run(t, "share", "revoke", made.ID).wantPart(t, 65, "link \""+made.ID+"\" not found", "sx share list")
	run(t, "share", "revoke", made.ID+"-none").wantPart(t, 65, "not found", "sx share list")
	run(t, "share", "revoke", id[1]).want(t, 0, "Revoked the link "+id[1]+"\n", "")
	if status, _ := get(""); status != http.StatusNotFound {
		t.Errorf("a revoked link: %d", status)
	}
	var again struct{ ID, URL string }
	if err := json.Unmarshal([]byte(run(t, "share", "create", made.ID, "--json").out), &again); err != nil || !strings.HasPrefix(again.URL, server.URL+"/s/sxl_") {
		t.Fatalf("got %+v, %v", again, err)
	}
	link = again.URL

	sxIn(t, gateway.AdminCode+"\ncorrect horse", nil, "register", gateway.Admin, "--invitation", "--password-stdin").wantPart(t, 0, "Created account")
	for _, c := range []struct {
		args   []string
		status int
	}{
		{[]string{"admin", "disable", "anna"}, http.StatusNotFound},
		{[]string{"admin", "enable", "anna"}, http.StatusOK},
		{[]string{"admin", "delete", "anna", "--yes"}, http.StatusNotFound},
	} {
		if r := run(t, c.args...); r.code != 0 {
			t.Fatalf("%v: %+v", c.args, r)
		}
		if status, _ := get("/1"); status != c.status {
			t.Errorf("after %v: %d, want %d", c.args, status, c.status)
		}
	}
}
