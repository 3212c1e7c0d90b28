package page_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestPages shows each page in both themes, narrow and wide. axe-core must find nothing, and
// nothing may be wider than the window. The pictures are artefacts (go test -artifacts).
func TestPages(t *testing.T) {
	t.Parallel()
	sound := mp3(t)
	server := gateway.New(t)
	b := newTab(t, server.URL)
	b.device(320, "light")
	b.open("#/signin")
	b.see("a", "Create an account")
	b.inspect("sign in")
	b.open("#/recover")
	b.inspect("recover")
	b.open("#/register")
	b.see("button", "Create the account")
	b.inspect("register")
	b.register("anna")
	b.see("main", "There are no jobs yet.")
	b.inspect("no jobs")

	done := addJobs(server, sound)
	b.reload()
	b.see("tr", "running")
	b.click("Options for new jobs")
	b.click("Select interview.mov")
	b.inspect("jobs")
	b.open("#/jobs/" + done)
	b.see("a", "Download the MP3")
	b.click("Edit the title, artist, album and labels")
	b.click("Share with a link")
	b.click("Create a link")
	b.see(".tokens li", "opened 0 times")
	b.inspect("job")
	b.open("#/jobs/" + failedID(server))
	b.see(".error", "no_audio")
	b.inspect("failed job")
	b.open("#/account")
	b.see("dl", "Unfinished uploads")
	b.fillIn("Name of the feed", "Staff talks")
	b.fillIn("Only the label", "talks")
	b.click("Create a feed")
	b.see(".tokens li", "Staff talks")
	b.inspect("account")
	b.fillIn("Current password", "wrong")
	b.fillIn("New password", password)
	b.click("Change the password")
	b.see(".error", "the password is wrong")
	b.inspect("account error")
	b.open("#/nowhere")
	b.see("h1", "Page not found")
	b.inspect("missing")
}

// addJobs adds a job of each state for anna and returns the ID of one that is done.
func addJobs(server *gateway.Server, sound []byte) (done string) {
	var all []sx.Job
	names := map[sx.State]string{
		sx.StateDone: "interview.mov", sx.StateRunning: "lecture week 12.mp4", sx.StateQueued: "a rather long name of a recording of the annual general meeting in the great hall, part two.mkv",
		sx.StateCancelled: "draft.mp4",
	}
	for i, state := range []sx.State{sx.StateDone, sx.StateRunning, sx.StateQueued, sx.StateCancelled} {
		j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: names[state], Size: 48_000_000}, Size: 48_000_000, Labels: []string{"talks", "2026"}}, time.Now().Add(time.Duration(i-10)*time.Minute))
		j.State = state
		if state == sx.StateRunning {
			j.Attempt, j.Progress = 1, 42
		}
		if state == sx.StateDone {
			j.State, done = sx.StateQueued, j.ID
			j.Warnings = []sx.Warning{{Code: "gap", Message: "the recording has a gap of 2.1 s at 0:31"}}
		}
		all = append(all, j)
	}
	all = append(all, failedJob())
	server.AddJobs("anna", all...)
	server.Finish(done, sound)
	return done
}

func failedID(server *gateway.Server) string {
	for _, j := range server.Jobs() {
		if j.State == sx.StateFailed {
			return j.ID
		}
	}
	return ""
}

// inspect examines and photographs the page as it is now.
func (b *tab) inspect(name string) {
	b.t.Helper()
	for _, width := range []int64{1280, 320} {
		for _, theme := range []string{"light", "dark"} {
			b.device(width, theme)
			b.screenshot(fmt.Sprintf("%s %d %s", name, width, theme))
			for _, found := range violations(b) {
				b.t.Errorf("%s, %d px, %s: %s", name, width, theme, found)
			}
			if wide := eval[int](b, `document.documentElement.scrollWidth`); int64(wide) > width {
				b.t.Errorf("%s is %d px wide in a window of %d px", name, wide, width)
			}
		}
	}
}

// violations runs axe-core and returns what it finds.
func violations(b *tab) []string {
	b.t.Helper()
	source, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		b.t.Fatal(err)
	}
	eval[int](b, string(source)+";0")
	raw := eval[string](b, `axe.run(document, { resultTypes: ["violations"] }).then((r) => JSON.stringify(
		r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target.join(" ") + ": " + n.failureSummary))))`)
	var list []string
	if err := json.Unmarshal([]byte(raw), &list); err != nil {
		b.t.Fatal(err)
	}
	return list
}
