//go:build unix

package acceptance_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/cli/acceptance/programs"
	"github.com/soundextract/sx/server/testkit/chromium"
)

// TestPage uses the web page of a local server in Chromium, to which sx open leads.
func TestPage(t *testing.T) {
	t.Parallel()
	l := newLaptop(t)
	if code, out := l.run("", "up", "--detach", "--addr", "127.0.0.1:0"); code != 0 {
		t.Fatalf("sx up: exit code %d\n%s", code, out)
	}
	server, err := programs.Find(l.data())
	if err != nil {
		t.Fatal(err)
	}
	link, err := l.command("open", "--print").Output()
	if err != nil {
		t.Fatal(err)
	}
	b := chromium.NewTab(t, server.URL)
	b.Run(chromedp.Navigate(strings.TrimSpace(string(link))))
	b.See("h1", "Jobs")
	b.Story()
}
