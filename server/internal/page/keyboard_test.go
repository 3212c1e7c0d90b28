package page_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestKeyboard signs in and reaches the list with the keyboard alone.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := newTab(t, server.URL)
	b.register("anna")
	b.click("Sign out")
	b.see("h1", "Sign in")
	focused := func() string {
		return eval[string](b, `(() => { const e = document.activeElement; return e.labels?.[0]?.innerText ?? e.innerText; })()`)
	}
	tabTo := func(want string) {
		t.Helper()
		var passed []string
		for range 20 {
			b.run(chromedp.KeyEvent(kb.Tab))
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
	b.open("#/signin")
	tabTo("Skip to the content")
	b.run(chromedp.KeyEvent(kb.Enter))
	tabTo("Name")
	b.run(chromedp.KeyEvent("anna"))
	tabTo("Password")
	b.run(chromedp.KeyEvent(password), chromedp.KeyEvent(kb.Enter))
	b.see("h1", "Jobs")
	if got := focused(); got != "Jobs" {
		t.Errorf("the focus is on %q, not on the new heading", got)
	}
	tabTo("Choose files")
	tabTo("Options for new jobs")
	b.run(chromedp.KeyEvent(kb.Enter))
	tabTo("Encoding")
}
