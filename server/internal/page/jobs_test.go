package page_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestLiveProgress follows a job in two tabs, which share one event stream.
func TestLiveProgress(t *testing.T) {
	t.Parallel()
	sound := mp3(t)
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: "talk.mp4"}, Size: 1000}, time.Now())
	j.State, j.Attempt = sx.StateRunning, 1
	server.AddJobs("anna", j)
	b.Reload()
	b.See("tr", "running, 0 %")
	second := b.Another()
	second.Open("#/jobs/" + j.ID)
	second.See(".state", "running, 0 %")
	server.Change(j.ID, func(j *sx.Job) { j.Progress = 42 })
	b.See("tr", "running, 42 %")
	second.See(".state", "running, 42 %")
	server.Finish(j.ID, sound)
	b.See("tr", "done")
	second.See(".state", "done")
	second.See("a", "Download the MP3")
	b.See("#live", "talk.mp4 is done.")
	streams := 0
	for _, request := range server.Requests() {
		if request == "GET "+api.PathEvents {
			streams++
		}
	}
	if streams != 1 {
		t.Errorf("%d event streams for two tabs", streams)
	}
}

// TestRefreshOfASlowServer shows a list again, as a browser does when its tab is looked at,
// while the server has not answered yet. The answer must be awaited, and only then must the
// list be read again.
func TestRefreshOfASlowServer(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	server.AddJobs("anna", failedJob())
	b.Reload()
	b.See("tr", "silent.mp4")
	var requests atomic.Int32
	release := make(chan struct{})
	server.Set(func() {
		server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet && r.URL.Path == api.PathJobs {
				requests.Add(1)
				select {
				case <-release:
				case <-r.Context().Done():
				}
			}
			return false
		}
	})
	requested := func(n int32) func() bool { return func() bool { return requests.Load() == n } }
	b.FillIn("Name contains", "silent")
	testkit.Eventually(t, "the list is requested", requested(1))
	chromium.Eval[bool](b, `document.dispatchEvent(new Event("visibilitychange"))`)
	close(release)
	b.See("#live", "1 job found.")
	testkit.Eventually(t, "the list is requested again", requested(2))
}

func TestListOfManyJobs(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	var jobs []sx.Job
	for i := range 120 {
		j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: fmt.Sprintf("talk %03d.mp4", i)}, Size: 1000}, time.Now().Add(time.Duration(i)*time.Second))
		if j.State = sx.StateCancelled; i%3 == 0 {
			j.State = sx.StateFailed
		}
		jobs = append(jobs, j)
	}
	server.AddJobs("anna", jobs...)
	rows := func() int { return chromium.Eval[int](b, `document.querySelectorAll("tbody tr").length`) }
	b.Reload()
	b.See("tr", "talk 119.mp4")
	if n := rows(); n != 50 {
		t.Errorf("%d rows on the first page", n)
	}
	b.Click("Show more")
	b.See("tr", "talk 020.mp4")
	b.Click("Show more")
	b.See("tr", "talk 000.mp4")
	if n := rows(); n != 120 {
		t.Errorf("%d rows in all", n)
	}

	b.FillIn("Name contains", "talk 01")
	b.Gone("tr", "talk 020.mp4")
	b.See("tr", "talk 010.mp4")
	b.Pick("State", "failed")
	b.Gone("tr", "talk 010.mp4")
	b.See("#live", "3 jobs found.")
	b.Reload() // the filters are in the address
	b.See("tr", "talk 018.mp4")
	if n := rows(); n != 3 {
		t.Errorf("%d rows match", n)
	}

	b.Click("Select all shown jobs")
	b.See(".bulk", "3 jobs selected")
	b.FillIn("Label to add or remove", "old")
	b.Click("Add the label")
	b.See("tr .label", "old")
	b.See("#live", "3 jobs changed.")
	b.Click("Delete")
	b.See("dialog", "Delete 3 jobs?")
	b.Confirm()
	b.See("main", "No job matches.")
	if n := len(server.Jobs()); n != 117 {
		t.Errorf("%d jobs are left", n)
	}
}
