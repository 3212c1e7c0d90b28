package page_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/testkit"
)

// programs are the names of the browser: in Debian, elsewhere, and of its proprietary form.
var programs = []string{"chromium", "chromium-browser", "google-chrome"}

func findProgram() string {
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// stopChromium ends the browser; nil if no test has started it.
var stopChromium func()

func TestMain(m *testing.M) {
	m.Run()
	if stopChromium != nil {
		stopChromium()
	}
}

// startChromium starts one browser for all tests of the package, and returns its context.
var startChromium = sync.OnceValues(func() (context.Context, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(findProgram()),
		chromedp.NoSandbox, // tests run as root in CI, where Chromium's own sandbox does not start
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("mute-audio", true),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	stopChromium = func() { stop(); stopAllocator() }
	return ctx, chromedp.Do(ctx)
})

// tab is a tab of a browser whose cookies and storage are its own, unless it is a second one.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string // of the server

	mu       sync.Mutex
	problems []string
}

// newTab opens a tab in a browser that was never used.
func newTab(t *testing.T, url string) *tab {
	t.Helper()
	testkit.SkipShort(t)
	if findProgram() == "" {
		testkit.Missing(t, programs[0]+" is not installed")
	}
	chromium, err := startChromium()
	if err != nil {
		t.Fatal(err)
	}
	return openTab(t, chromium, url, chromedp.WithNewBrowserContext())
}

// another opens a second tab in the same browser.
func (b *tab) another() *tab {
	b.t.Helper()
	return openTab(b.t, b.ctx, b.url)
}

func openTab(t *testing.T, parent context.Context, url string, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(parent, options...)
	b := &tab{t: t, ctx: ctx, url: url}
	t.Cleanup(func() {
		stop()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, problem := range b.problems {
			t.Error(problem)
		}
	})
	if err := chromedp.Listen(ctx, b.observe); err != nil {
		t.Fatal(err)
	}
	command(b, runtime.Enable, cdp.Empty{})
	command(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `document.addEventListener("securitypolicyviolation",
			(e) => console.error("policy violated: " + e.violatedDirective + " " + e.blockedURI + " " + e.sample));`,
	})
	return b
}

// command sends a command of the DevTools protocol and returns its result.
func command[P, R any](b *tab, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, cmd, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return result
}

func (b *tab) problem(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// observe fails the test for whatever goes wrong in the page: violations of its policy, errors
// that no script handled, and errors that one wrote.
func (b *tab) observe(event any) {
	switch e := event.(type) {
	case *page.EventJavascriptDialogOpening:
		go func() {
			_, err := chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
			if err != nil || e.Type != page.DialogTypeBeforeunload {
				b.problem("a dialog: %s %s, %v", e.Type, e.Message, err)
			}
		}()
	case *runtime.EventExceptionThrown:
		b.problem("a script failed: %s %s:%d", e.ExceptionDetails.Text, e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber)
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			b.problem("%s", thrown.Description)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			for _, arg := range e.Args {
				b.problem("a script reports: %s %s", arg.Value, arg.Description)
			}
		}
	}
}

// run runs actions, which must succeed in time.
func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := b.try(actions...); err != nil {
		b.t.Fatalf("%v; the page says:\n%s", err, b.text("body"))
	}
}

func (b *tab) try(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Timeout)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

// open loads the page at a fragment, as in the address bar.
func (b *tab) open(fragment string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.url + "/" + fragment))
	b.see("h1", "")
}

// reload loads the page again; observe answers the question whether to leave it.
func (b *tab) reload() {
	b.t.Helper()
	b.run(chromedp.Reload())
	b.see("h1", "")
}

// see waits until an element that the selector matches is shown and contains the text.
func (b *tab) see(selector, text string) {
	b.t.Helper()
	if !b.holds(shows(selector, text)) {
		b.t.Fatalf("no %s with %q; the page says:\n%s", selector, text, b.text("body"))
	}
}

// gone waits until no element that the selector matches contains the text.
func (b *tab) gone(selector, text string) {
	b.t.Helper()
	if !b.holds("!" + shows(selector, text)) {
		b.t.Fatalf("there is still %s with %q; the page says:\n%s", selector, text, b.text("body"))
	}
}

func shows(selector, text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%q)].some((e) => e.checkVisibility() && e.innerText.includes(%q))`, selector, text)
}

// holds waits until the condition is true, also in a document that is loaded meanwhile.
func (b *tab) holds(condition string) bool {
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

// text returns the text of the first element that the selector matches.
func (b *tab) text(selector string) string {
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Timeout)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector)))
	return text
}

// eval returns the value of an expression, which may be a promise.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Timeout)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v; the page says:\n%s", err, b.text("body"))
	}
	return value
}

// control returns the selector of the control with the label, by its accessible name.
func (b *tab) control(label string) chromedp.CSS {
	b.t.Helper()
	script := fmt.Sprintf(`(() => {
		const label = %q;
		const named = (e) => (e.getAttribute("aria-label") ?? [...(e.labels ?? [])].map((l) => l.innerText).join(" ") ?? "").trim();
		const match = (e) => e.checkVisibility() && (named(e) === label || !e.getAttribute("aria-label") && e.innerText?.trim() === label);
		const found = [...document.querySelectorAll("input, select, button, a, summary")].find(match);
		found?.setAttribute("data-test", label);
		return found !== undefined;
	})()`, label)
	if !b.holds(script) {
		b.t.Fatalf("no control %q; the page says:\n%s", label, b.text("body"))
	}
	return chromedp.CSS(fmt.Sprintf("[data-test=%q]", label))
}

// click clicks the control with the label.
func (b *tab) click(label string) {
	b.t.Helper()
	b.run(chromedp.Click(b.control(label)))
}

// confirm confirms the question of the open dialog.
func (b *tab) confirm() {
	b.t.Helper()
	b.see("dialog", "")
	b.run(chromedp.Click(chromedp.CSS("dialog .danger")))
}

// fillIn types a text into the control with the label, in place of what it contains.
func (b *tab) fillIn(label, text string) {
	b.t.Helper()
	field := b.control(label)
	eval[bool](b, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.focus(); e.select(); return true; })()`, string(field)))
	b.run(chromedp.KeyEvent(text))
}

// pick chooses an option of the select with the label.
func (b *tab) pick(label, value string) {
	b.t.Helper()
	selector := b.control(label)
	b.run(chromedp.SetValue(selector, value))
	eval[bool](b, fmt.Sprintf(`document.querySelector(%q).dispatchEvent(new Event("change"))`, string(selector)))
}

// choose chooses files, as in the dialog of the file input with the label.
func (b *tab) choose(label string, paths ...string) {
	b.t.Helper()
	b.run(chromedp.SetUploadFiles(b.control(label), paths))
}

// downloads returns the directory that downloads are saved to.
func (b *tab) downloads() string {
	b.t.Helper()
	dir := b.t.TempDir()
	command(b, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir,
		BrowserContextID: command(b, target.GetTargetInfo, target.GetTargetInfoParams{}).TargetInfo.BrowserContextID,
	})
	return dir
}

// device sets the width and the theme.
func (b *tab) device(width int64, theme string) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(width, 800))
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// screenshot keeps a picture of the whole page as an artefact.
func (b *tab) screenshot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Timeout)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(b.t.ArtifactDir(), strings.ReplaceAll(name, " ", "-")+".png")
	if err := os.WriteFile(path, png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}
