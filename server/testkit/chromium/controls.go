package chromium

import (
	"fmt"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/testkit"
)

// Control returns the selector of the control with the label, by its accessible name.
func (b *Tab) Control(label string) chromedp.CSS {
	b.tb.Helper()
	script := fmt.Sprintf(`(() => {
		const label = %q;
		const named = (e) => (e.getAttribute("aria-label") ?? [...(e.labels ?? [])].map((l) => l.innerText).join(" ") ?? "").trim();
		const match = (e) => e.checkVisibility() && (named(e) === label || !e.getAttribute("aria-label") && e.innerText?.trim() === label);
		const found = [...document.querySelectorAll("input, select, button, a, summary")].find(match);
		found?.setAttribute("data-test", label);
		return found !== undefined;
	})()`, label)
	if !b.Holds(script) {
		b.tb.Fatalf("no control %q; %s", label, b.state())
	}
	return chromedp.CSS(fmt.Sprintf("[data-test=%q]", label))
}

// clickTimeout bounds one attempt to click a control, which the page may replace meanwhile.
const clickTimeout = 5 * time.Second

// Click clicks the control with the label.
func (b *Tab) Click(label string) {
	b.tb.Helper()
	for deadline := time.Now().Add(testkit.Timeout); ; {
		err := b.try(clickTimeout, chromedp.Click(b.Control(label)))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.tb.Fatalf("click %q: %v; %s", label, err, b.state())
		}
	}
}

// Confirm confirms the question of the open dialog.
func (b *Tab) Confirm() {
	b.tb.Helper()
	b.See("dialog", "")
	b.Run(chromedp.Click(chromedp.CSS("dialog .danger")))
}

// FillIn types a text into the control with the label, in place of what it contains.
func (b *Tab) FillIn(label, text string) {
	b.tb.Helper()
	field := b.Control(label)
	Eval[bool](b, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.focus(); e.select(); return true; })()`, string(field)))
	b.Run(chromedp.KeyEvent(text))
}

// Pick chooses an option of the select with the label.
func (b *Tab) Pick(label, value string) {
	b.tb.Helper()
	selector := b.Control(label)
	b.Run(chromedp.SetValue(selector, value))
	Eval[bool](b, fmt.Sprintf(`document.querySelector(%q).dispatchEvent(new Event("change"))`, string(selector)))
}

// Choose chooses files, as in the dialog of the file input with the label.
func (b *Tab) Choose(label string, paths ...string) {
	b.tb.Helper()
	b.Run(chromedp.SetUploadFiles(b.Control(label), paths))
}

// Password is that of the accounts that Register creates.
const Password = "correct horse battery"

// Register creates an account on the page and leaves the browser signed in.
func (b *Tab) Register(name string) {
	b.tb.Helper()
	b.Open("#/register")
	b.See("h1", "Create an account")
	b.FillIn("Name", name)
	b.FillIn("Password", Password)
	b.Click("Create the account")
	b.See("h1", "Jobs")
}
