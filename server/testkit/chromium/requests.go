package chromium

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/network"
)

// requests are the page's requests that have no complete response, for the message of a
// test that fails because of them.
type requests struct {
	pending map[network.RequestID]string
	failed  []string
}

func (r *requests) observe(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		r.pending[e.RequestID] = e.Request.Method + " " + e.Request.URL
	case *network.EventLoadingFinished:
		delete(r.pending, e.RequestID)
	case *network.EventLoadingFailed:
		if !e.Canceled {
			r.failed = append(r.failed, r.pending[e.RequestID]+": "+e.ErrorText)
		}
		delete(r.pending, e.RequestID)
	}
}

// state describes what the page shows and waits for.
func (b *Tab) state() string {
	b.mu.Lock()
	pending, failed := slices.Sorted(maps.Values(b.requests.pending)), slices.Clone(b.requests.failed)
	b.mu.Unlock()
	return fmt.Sprintf("the page says:\n%s\nit waits for:\n%s\nfailed requests:\n%s",
		b.Text("body"), strings.Join(pending, "\n"), strings.Join(failed, "\n"))
}
