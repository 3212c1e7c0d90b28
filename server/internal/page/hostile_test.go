package page_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// hostile are names that are dangerous where text becomes something else.
var hostile = []string{
	`<img src=x onerror=alert(1)>.mp4`, `"><script>alert(1)</script>.mp4`, `javascript:alert(1)`, `{{7*7}}.mp4`, `' onmouseover='alert(1).mp4`,
	"\u202egpj.exe.mp4", strings.Repeat("wide", 60) + ".mp4", `../../etc/passwd`, `&lt;b&gt;.mp4`,
}

// TestHostileTexts checks that names and tags are shown as text, wherever they are.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	var jobs []sx.Job
	for i, name := range hostile {
		j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: name}, Size: 1000, Labels: []string{"<b>label"}}, time.Now().Add(time.Duration(i)*time.Second))
		j.State = sx.StateDone
		j.Warnings = []sx.Warning{{Code: "<i>code", Message: name}}
		j.Tracks = []sx.Track{{Number: 1, ID: "none", Name: name, Size: 1, SHA256: strings.Repeat("a", 64), Title: name, Artist: name, Album: name}}
		jobs = append(jobs, j)
	}
	server.AddJobs("anna", jobs...)
	b.Open("#/")
	for _, j := range jobs {
		b.See("tr", strings.TrimPrefix(j.Sent.Name, "\u202e"))
	}
	if n := chromium.Eval[int](b, `document.querySelectorAll("main img, main script, main i, main b, main [onerror], main [onmouseover]").length`); n != 0 {
		t.Errorf("%d elements came from a name", n)
	}
	for _, j := range jobs {
		b.Run(chromedp.Navigate(b.URL + "/#/jobs/" + j.ID))
		b.See("h1", strings.TrimPrefix(j.Sent.Name, "\u202e"))
		b.See(".warning", strings.TrimPrefix(j.Sent.Name, "\u202e"))
		if n := chromium.Eval[int](b, `document.querySelectorAll("main img, main script, main i, main b, main [onerror], main [onmouseover], a[href^=javascript]").length`); n != 0 {
			t.Errorf("%q: %d elements came from a text", j.Sent.Name, n)
		}
	}
	// The same for a file that is uploaded here.
	b.Open("#/")
	b.Choose("Choose files", writeFile(t, `<img src=x onerror=alert(1)> & "quotes".mp4`, gateway.Media(1000)))
	b.See("tr", `<img src=x onerror=alert(1)> & "quotes".mp4`)
}
