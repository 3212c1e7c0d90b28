package page_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestLiveProgress follows a job in two tabs, which share one event stream.
func TestLiveProgress(t *testing.T) {
	t.Parallel()
	sound := mp3(t)
	server := gateway.New(t)
	b := newTab(t, server.URL)
	b.register("anna")
	j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: "talk.mp4"}, Size: 1000}, time.Now())
	j.State, j.Attempt = sx.StateRunning, 1
	server.AddJobs("anna", j)
	b.reload()
	b.see("tr", "running, 0 %")
	second := b.another()
	second.open("#/jobs/" + j.ID)
	second.see(".state", "running, 0 %")
	server.Change(j.ID, func(j *sx.Job) { j.Progress = 42 })
	b.see("tr", "running, 42 %")
	second.see(".state", "running, 42 %")
	server.Finish(j.ID, sound)
	b.see("tr", "done")
	second.see(".state", "done")
	second.see("a", "Download the MP3")
	b.see("#live", "talk.mp4 is done.")
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

func TestListOfManyJobs(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := newTab(t, server.URL)
	b.register("anna")
	var jobs []sx.Job
	for i := range 120 {
		j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: fmt.Sprintf("talk %03d.mp4", i)}, Size: 1000}, time.Now().Add(time.Duration(i)*time.Second))
		if j.State = sx.StateCancelled; i%3 == 0 {
			j.State = sx.StateFailed
		}
		jobs = append(jobs, j)
	}
	server.AddJobs("anna", jobs...)
	rows := func() int { return eval[int](b, `document.querySelectorAll("tbody tr").length`) }
	b.reload()
	b.see("tr", "talk 119.mp4")
	if n := rows(); n != 50 {
		t.Errorf("%d rows on the first page", n)
	}
	b.click("Show more")
	b.see("tr", "talk 020.mp4")
	b.click("Show more")
	b.see("tr", "talk 000.mp4")
	if n := rows(); n != 120 {
		t.Errorf("%d rows in all", n)
	}

	b.fillIn("Name contains", "talk 01")
	b.gone("tr", "talk 020.mp4")
	b.see("tr", "talk 010.mp4")
	b.pick("State", "failed")
	b.gone("tr", "talk 010.mp4")
	b.see("#live", "3 jobs found.")
	b.reload() // the filters are in the address
	b.see("tr", "talk 018.mp4")
	if n := rows(); n != 3 {
		t.Errorf("%d rows match", n)
	}

	b.click("Select all shown jobs")
	b.see(".bulk", "3 jobs selected")
	b.fillIn("Label to add or remove", "old")
	b.click("Add the label")
	b.see("tr .label", "old")
	b.see("#live", "3 jobs changed.")
	b.click("Delete")
	b.see("dialog", "Delete 3 jobs?")
	b.confirm()
	b.see("main", "No job matches.")
	if n := len(server.Jobs()); n != 117 {
		t.Errorf("%d jobs are left", n)
	}
}
