package page_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestOtherSites has the page of another origin try what it can with a signed-in browser: show
// our pages in frames, send forms and requests, and read what is private. Its server is on
// another port of the same host, where SameSite does not keep the cookie back.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	sound := mp3(t)
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Register("ada")
	j, waiting := jobInState("talk.mp4", sx.StateQueued), jobInState("lecture.mp4", sx.StateQueued)
	server.AddJobs("ada", j, waiting)
	server.Finish(j.ID, sound)
	b.Open("#/jobs/" + j.ID)
	b.Click("Share with a link")
	b.Click("Create a link")
	b.See(".notice code", "/s/sxl_")
	link := b.Text(".notice code")
	job, track := server.URL+"/v1/jobs/"+j.ID, server.URL+"/v1/jobs/"+j.ID+"/tracks/1"

	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!doctype html><title>Other</title><link rel="icon" href="data:,"><h1>Other</h1>
			<iframe src="%[1]s/"></iframe><iframe src="%[2]s"></iframe><iframe name="answer"></iframe>
			<form method="post" action="%[3]s" target="answer"><button>Win</button></form>`, server.URL, link, server.URL+"/v1/jobs/"+waiting.ID+"/cancel")
	}))
	t.Cleanup(other.Close)
	foreign := b.Another()
	foreign.URL = other.URL
	foreign.Open("")
	testkit.Eventually(t, "the browser shows an error in place of each framed page", func() bool {
		tree := chromium.Command(foreign, page.GetFrameTree, cdp.Empty{}).FrameTree
		return len(tree.ChildFrames) == 3 && tree.ChildFrames[0].Frame.UnreachableURL == server.URL+"/" && tree.ChildFrames[1].Frame.UnreachableURL == link
	}, func() any {
		var urls []string
		for _, child := range chromium.Command(foreign, page.GetFrameTree, cdp.Empty{}).FrameTree.ChildFrames {
			urls = append(urls, child.Frame.URL+" for "+child.Frame.UnreachableURL)
		}
		return urls
	})
	blocked := func(what, script string) {
		t.Helper()
		if got := chromium.Eval[string](foreign, script+`.then((r) => "got " + (r?.status ?? r), () => "refused")`); got != "refused" {
			t.Errorf("another site %s: %s", what, got)
		}
	}
	blocked("reads the job", `fetch("`+job+`", { credentials: "include" })`)
	blocked("reads the MP3 without looking at it", `fetch("`+track+`", { credentials: "include", mode: "no-cors" })`)
	blocked("deletes the job", `fetch("`+job+`", { credentials: "include", method: "DELETE", headers: { "Sx-Browser": "1" } })`)
	blocked("plays the MP3", `new Promise((resolve, reject) => { const a = new Audio("`+track+`"); a.onloadedmetadata = () => resolve("it"); a.onerror = reject; })`)
	blocked("plays the MP3 of a link", `new Promise((resolve, reject) => { const a = new Audio("`+link+`/1"); a.onloadedmetadata = () => resolve("it"); a.onerror = reject; })`)
	foreign.Run(chromedp.Click(chromedp.CSS("form button")))
	if !foreign.Holds(`(() => { try { return frames[2].location.href !== "about:blank"; } catch { return true; } })()`) {
		t.Error("the form was not sent")
	}
	if got := server.Job(waiting.ID).State; got != sx.StateQueued {
		t.Errorf("another site changed a job: it is %s", got)
	}
	b.Reload()
	b.See("h1", "talk.mp4")
}
