package chromium

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/testkit"
)

// Tab is a tab of a browser whose cookies and storage are its own, unless it is a second one.
type Tab struct {
	URL string // of the server

	tb  testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
	requests requests
}

// NewTab opens a tab in a browser that was never used.
func NewTab(tb testing.TB, url string) *Tab {
	tb.Helper()
	testkit.SkipShort(tb)
	all, err := startShared()
	if errors.Is(err, ErrNotInstalled) {
		testkit.Missing(tb, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	return openTab(tb, all, url, chromedp.WithNewBrowserContext())
}

// Another opens a second tab in the same browser.
func (b *Tab) Another() *Tab {
	b.tb.Helper()
	return openTab(b.tb, b.ctx, b.URL)
}

func openTab(tb testing.TB, parent context.Context, url string, options ...chromedp.ContextOption) *Tab {
	tb.Helper()
	ctx, stop := chromedp.NewContext(parent, options...)
	b := &Tab{URL: url, tb: tb, ctx: ctx, requests: requests{pending: map[network.RequestID]string{}}}
	tb.Cleanup(func() {
		stop()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, problem := range b.problems {
			tb.Error(problem)
		}
	})
	if err := chromedp.Listen(ctx, b.observe); err != nil {
		tb.Fatal(err)
	}
	Command(b, runtime.Enable, cdp.Empty{})
	Command(b, network.Enable, network.EnableParams{})
	Command(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `document.addEventListener("securitypolicyviolation",
			(e) => console.error("policy violated: " + e.violatedDirective + " " + e.blockedURI + " " + e.sample));`,
	})
	return b
}

// Command sends a command of the DevTools protocol and returns its result.
func Command[P, R any](b *Tab, cmd cdp.Command[P, R], params P) R {
	b.tb.Helper()
	result, err := chromedp.Call(b.ctx, cmd, params)
	if err != nil {
		b.tb.Fatal(err)
	}
	return result
}

func (b *Tab) problem(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// observe fails the test for whatever goes wrong in the page: violations of its policy, errors
// that no script handled, and errors that one wrote.
func (b *Tab) observe(event any) {
	b.mu.Lock()
	b.requests.observe(event)
	b.mu.Unlock()
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

// Run runs actions, which must succeed in time.
func (b *Tab) Run(actions ...chromedp.Action[chromedp.Void]) {
	b.tb.Helper()
	if err := b.try(testkit.Timeout, actions...); err != nil {
		b.tb.Fatalf("%v; %s", err, b.state())
	}
}

func (b *Tab) try(limit time.Duration, actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

// Open loads the page at a fragment, as in the address bar.
func (b *Tab) Open(fragment string) {
	b.tb.Helper()
	b.Run(chromedp.Navigate(b.URL + "/" + fragment))
	b.See("h1", "")
}

// Reload loads the page again; observe answers the question whether to leave it.
func (b *Tab) Reload() {
	b.tb.Helper()
	b.Run(chromedp.Reload())
	b.See("h1", "")
}

// Downloads returns the directory that downloads are saved to.
func (b *Tab) Downloads() string {
	b.tb.Helper()
	dir := b.tb.TempDir()
	Command(b, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir,
		BrowserContextID: Command(b, target.GetTargetInfo, target.GetTargetInfoParams{}).TargetInfo.BrowserContextID,
	})
	return dir
}

// AwaitDownload waits for a file in the directory of Downloads, and returns its path. Chromium
// reserves the name with an empty file, which the complete one replaces.
func (b *Tab) AwaitDownload(dir, name string) string {
	b.tb.Helper()
	path := filepath.Join(dir, name)
	testkit.Eventually(b.tb, "the download of "+name, func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() > 0
	})
	return path
}

// Device sets the width and the theme.
func (b *Tab) Device(width int64, theme string) {
	b.tb.Helper()
	b.Run(chromedp.EmulateViewport(width, 800))
	Command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// Screenshot keeps a picture of the whole page as an artefact.
func (b *Tab) Screenshot(name string) {
	b.tb.Helper()
	path := filepath.Join(b.tb.ArtifactDir(), strings.ReplaceAll(name, " ", "-")+".png")
	if err := os.WriteFile(path, picture(b, chromedp.FullScreenshot(100)), 0o600); err != nil {
		b.tb.Fatal(err)
	}
}

// Capture returns a picture of the window as PNG.
func (b *Tab) Capture() []byte {
	b.tb.Helper()
	return picture(b, chromedp.CaptureScreenshot())
}

func picture(b *Tab, take chromedp.Action[[]byte]) []byte {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Timeout)
	defer cancel()
	png, err := chromedp.Run(ctx, take)
	if err != nil {
		b.tb.Fatal(err)
	}
	return png
}
