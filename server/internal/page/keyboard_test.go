package page_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestKeyboard signs in and reaches the list with the keyboard alone.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	b.Click("Sign out")
	b.See("h1", "Sign in")
	focused := func() string {
		return chromium.Eval[string](b, `(() => { const e = document.activeElement; return e.labels?.[0]?.innerText ?? e.innerText; })()`)
	}
	tabTo := func(want string) {
		t.Helper()
		var passed []string
		for range 20 {
			b.Run(chromedp.KeyEvent(kb.Tab))
			now := focused()
			if now == want {
				return
			}
			passed = append(passed, now)
		}
		t.Fatalf("the key tab does not lead to %q, but to %q", want, passed)
	}
	if got := focused(); got != "Sign in" {
		t.Errorf("the focus is on %q, not on the heading", got)
	}
	b.Open("#/signin")
	tabTo("Skip to the content")
	b.Run(chromedp.KeyEvent(kb.Enter))
	tabTo("Name")
	b.Run(chromedp.KeyEvent("anna"))
	tabTo("Password")
	b.Run(chromedp.KeyEvent(password), chromedp.KeyEvent(kb.Enter))
	b.See("h1", "Jobs")
	if got := focused(); got != "Jobs" {
		t.Errorf("the focus is on %q, not on the new heading", got)
	}
	tabTo("Choose files")
	tabTo("Options for new jobs")
	b.Run(chromedp.KeyEvent(kb.Enter))
	tabTo("Encoding")
}
