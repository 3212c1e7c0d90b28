package chromium

import (
	"context"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/testkit"
)

// See waits until an element that the selector matches is shown and contains the text.
// Spaces that do not break are like others.
func (b *Tab) See(selector, text string) {
	b.tb.Helper()
	if !b.Holds(shows(selector, text)) {
		b.tb.Fatalf("no %s with %q; %s", selector, text, b.state())
	}
}

// Gone waits until no element that the selector matches contains the text.
func (b *Tab) Gone(selector, text string) {
	b.tb.Helper()
	if !b.Holds("!" + shows(selector, text)) {
		b.tb.Fatalf("there is still %s with %q; %s", selector, text, b.state())
	}
}

func shows(selector, text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%q)].some((e) => e.checkVisibility() && e.innerText.replaceAll("\u00a0", " ").includes(%q))`, selector, text)
}

// Holds waits until the condition is true, also in a document that is loaded meanwhile.
func (b *Tab) Holds(condition string) bool {
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Timeout)
	defer cancel()
	for {
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](condition)); err == nil && ok {
			return true
		}
		if chromedp.Do(ctx, chromedp.Sleep(pollInterval)) != nil {
			return false
		}
	}
}

// pollInterval is how often a page is asked whether a condition is true.
const pollInterval = 20 * time.Millisecond

// Text returns the text of the first element that the selector matches.
func (b *Tab) Text(selector string) string {
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Timeout)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector)))
	return text
}

// Eval returns the value of an expression, which may be a promise.
func Eval[T any](b *Tab, script string) T {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Timeout)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.tb.Fatalf("%v; %s", err, b.state())
	}
	return value
}
