package page_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestPages shows each page in both themes, narrow and wide. axe-core must find nothing, and
// nothing may be wider than the window. The pictures are artefacts (go test -artifacts).
func TestPages(t *testing.T) {
	t.Parallel()
	sound := mp3(t)
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Device(320, "light")
	b.Open("#/signin")
	b.See("a", "Create an account")
	inspect(t, b, "sign in")
	b.Open("#/recover")
	inspect(t, b, "recover")
	b.Open("#/register")
	b.See("button", "Create the account")
	inspect(t, b, "register")
	b.Register("anna")
	b.See("main", "There are no jobs yet.")
	inspect(t, b, "no jobs")

	done := addJobs(server, sound)
	b.Reload()
	b.See("tr", "running")
	b.Click("Options for new jobs")
	b.Click("Select interview.mov")
	inspect(t, b, "jobs")
	if got := chromium.Eval[int](b, `document.querySelector("table.jobs tbody td:nth-child(2)").clientWidth`); got < 200 {
		t.Errorf("in a narrow window, names have %d px", got)
	}
	b.Open("#/jobs/" + done)
	b.See("a", "Download the MP3")
	b.Click("Edit the title, artist, album and labels")
	b.Click("Share with a link")
	b.Click("Create a link")
	b.See(".tokens li", "used 0 times")
	inspect(t, b, "job")
	b.Open("#/jobs/" + failedID(server))
	b.See(".error", "no_audio")
	inspect(t, b, "failed job")
	b.Open("#/account")
	b.See("dl", "Unfinished uploads")
	b.FillIn("Name of the feed", "Staff talks")
	b.FillIn("Only the label", "talks")
	b.Click("Create a feed")
	b.See(".tokens li", "Staff talks")
	inspect(t, b, "account")
	b.FillIn("Current password", "wrong")
	b.FillIn("New password", password)
	b.Click("Change the password")
	b.See(".error", "the password is wrong")
	inspect(t, b, "account error")
	b.Open("#/nowhere")
	b.See("h1", "Page not found")
	inspect(t, b, "missing")
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
func inspect(t *testing.T, b *chromium.Tab, name string) {
	t.Helper()
	for _, width := range []int64{1280, 320} {
		for _, theme := range []string{"light", "dark"} {
			b.Device(width, theme)
			b.Screenshot(fmt.Sprintf("%s %d %s", name, width, theme))
			for _, found := range violations(t, b) {
				t.Errorf("%s, %d px, %s: %s", name, width, theme, found)
			}
			if wide := chromium.Eval[int](b, `document.documentElement.scrollWidth`); int64(wide) > width {
				t.Errorf("%s is %d px wide in a window of %d px", name, wide, width)
			}
		}
	}
}

// violations runs axe-core and returns what it finds.
func violations(t *testing.T, b *chromium.Tab) []string {
	t.Helper()
	source, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	chromium.Eval[int](b, string(source)+";0")
	raw := chromium.Eval[string](b, `axe.run(document, { resultTypes: ["violations"] }).then((r) => JSON.stringify(
		r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target.join(" ") + ": " + n.failureSummary))))`)
	var list []string
	if err := json.Unmarshal([]byte(raw), &list); err != nil {
		t.Fatal(err)
	}
	return list
}
