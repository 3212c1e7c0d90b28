// Package chromium uses the web page in Chromium as a person does, for the tests of all modules.
// Violations of the page's policy and errors of its scripts fail the test.
package chromium

import (
	"context"
	"errors"
	"os/exec"
	"sync"

	"github.com/chromedp/chromedp"
)

// programs are the names of the browser: in Debian, elsewhere, and of its proprietary form.
var programs = []string{"chromium", "chromium-browser", "google-chrome"}

// ErrNotInstalled means that there is no Chromium on PATH.
var ErrNotInstalled = errors.New(programs[0] + " is not installed")

func findProgram() string {
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Start starts a browser, and returns its context for package chromedp. It runs until stop is
// called.
func Start(ctx context.Context) (browser context.Context, stop func(), err error) {
	program := findProgram()
	if program == "" {
		return nil, nil, ErrNotInstalled
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.NoSandbox, // tests run as root in CI, where Chromium's own sandbox does not start
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("mute-audio", true),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	browser, stopBrowser := chromedp.NewContext(allocator)
	stop = func() { stopBrowser(); stopAllocator() }
	if err := chromedp.Do(browser); err != nil {
		stop()
		return nil, nil, err
	}
	return browser, stop, nil
}

// stopShared ends the browser of the tests; nil if none has started it.
var stopShared func()

// startShared starts one browser for all tests of a program, and returns its context.
var startShared = sync.OnceValues(func() (browser context.Context, err error) {
	browser, stopShared, err = Start(context.Background())
	return browser, err
})

// Stop ends the browser of the tests, if one has started it. The test program calls it at its
// end.
func Stop() {
	if stopShared != nil {
		stopShared()
	}
}
