package root_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/mmcdole/gofeed"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestFeedOfMP3s follows a feed from its creation to the end of the account.
func TestFeedOfMP3s(t *testing.T) {
	server := signIn(t)
	run(t, "feed", "list").want(t, 0, "", "no feeds yet; create one with: sx feed create NAME\n")
	run(t, "feed", "list", "--json").want(t, 0, "[]\n", "")
	run(t, "feed", "create", "a", "--label", "a,b").wantPart(t, 65, "invalid label")
	made := job(sx.NewID(), "talks/talk.mp4", sx.StateQueued)
	made.Labels = []string{"public"}
	server.AddJobs("anna", made)
	server.Finish(made.ID, []byte("an MP3"))

	r := run(t, "feed", "create", "Staff talks", "--label", "public", "--folder", "talks/")
	address := strings.TrimSpace(r.out)
	if r.code != 0 || !strings.HasPrefix(address, server.URL+"/f/sxf_") || !strings.HasSuffix(r.errOut, "or revoke it: sx feed revoke 'Staff talks'\n") {
		t.Fatalf("got %+v", r)
	}
	read := func() *gofeed.Feed {
		t.Helper()
		feed, err := gofeed.NewParser().ParseURL(address)
		if err != nil {
			t.Fatal(err)
		}
		return feed
	}
	feed := read()
	if feed.Title != "Staff talks" || feed.FeedLink != address || len(feed.Items) != 1 || feed.Items[0].Title != "talk" {
		t.Fatalf("the feed is %+v", feed)
	}
	status := func(address string) int {
		t.Helper()
		res, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	audio := feed.Items[0].Enclosures[0].URL
	if got := status(audio); got != http.StatusOK {
		t.Errorf("the MP3: %d", got)
	}
	run(t, "feed", "create", "Staff talks").wantPart(t, 1, "a feed named Staff talks already exists")
	if r := run(t, "feed", "ls"); !strings.Contains(r.out, "\tStaff talks\tpublic\ttalks\t20") {
		t.Errorf("the list is %+v", r)
	}
	run(t, "__complete", "feed", "revoke", "").wantPart(t, 0, "Staff talks")

	run(t, "feed", "revoke", "none").wantPart(t, 65, `feed "none" not found`, "sx feed list")
	run(t, "feed", "revoke", "Staff talks").want(t, 0, "Revoked the feed Staff talks\n", "")
	if got := status(audio); got != http.StatusNotFound {
		t.Errorf("the MP3 of a revoked feed: %d", got)
	}
	var again struct{ Name, URL string }
	if err := json.Unmarshal([]byte(run(t, "feed", "create", "Staff talks", "--json").out), &again); err != nil || again.Name != "Staff talks" || again.URL == address {
		t.Fatalf("got %+v, %v", again, err)
	}
	address = again.URL
	if after := read(); after.Items[0].GUID != feed.Items[0].GUID {
		t.Errorf("the item has the GUIDs %s and %s", feed.Items[0].GUID, after.Items[0].GUID)
	}

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
		if got := status(address); got != c.status {
			t.Errorf("after %v: %d, want %d", c.args, got, c.status)
		}
	}
}
