package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/cli/acceptance/programs"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/localjobs"
)

// pageJobs is how many jobs the account has whose page is measured.
const pageJobs = 10_000

// page measures the web page of an account with many jobs, the request for its list, and the
// memory for many browsers, on an sxd of its own.
func (b *bench) page() (err error) {
	home := filepath.Join(b.dir, "page")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	p := &bench{ctx: b.ctx, dir: home, data: filepath.Join(home, "data"), bin: b.bin}
	defer func() { programs.Kill(p.data) }()
	if err := errors.Join(p.up(), p.register("ada")); err != nil {
		return err
	}
	all, err := p.followers()
	if err != nil {
		return err
	}
	if err := p.sx("down", "--data", p.data); err != nil {
		return err
	}
	stored := localjobs.Store(p.ctx, p.data, "ada", manyJobs())
	for _, f := range all {
		stored = errors.Join(stored, localjobs.Store(p.ctx, p.data, f.name, f.jobs))
	}
	if err := errors.Join(stored, p.up()); err != nil {
		return err
	}
	if err := p.paint(); err != nil {
		return err
	}
	return p.browsers(all)
}

// manyJobs are jobs of each kind, none of which is converted.
func manyJobs() []sx.Job {
	jobs := make([]sx.Job, 0, pageJobs)
	for i := range pageJobs {
		j := sx.NewJob("", sx.NewUpload{
			Source: sx.Source{Name: fmt.Sprintf("lecture-%04d.mp4", i), Size: 1 << 30}, Size: 1 << 30, Labels: []string{"lectures"},
		}, time.Now().Add(time.Duration(i-pageJobs)*time.Minute))
		switch {
		case i%10 == 5:
			j.State, j.Error = sx.StateFailed, sx.NewError(sx.CodeNoAudio, "the video has no audio")
		case i%20 == 10:
			j = paused(j)
		default:
			j.State, j.Attempt = sx.StateDone, 1
			j.Tracks = []sx.Track{{
				Number: 1, ID: sx.TrackID(j.ID, 1, 1), Name: sx.MP3Name(j.Sent.Name), Size: 40 << 20,
				SHA256: strings.Repeat("ab", 32), Duration: time.Hour,
			}}
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// paused returns the job waiting until tomorrow.
func paused(j sx.Job) sx.Job {
	j.State, j.NotBefore = sx.StateQueued, time.Now().Add(24*time.Hour)
	return j
}

// whenListed has the page remember when it had painted the list's first row.
const whenListed = `new MutationObserver((_, observer) => {
	if (document.querySelector("tbody tr") === null) return;
	observer.disconnect();
	requestAnimationFrame(() => setTimeout(() => { window.listed = performance.now(); }));
}).observe(document, { childList: true, subtree: true });`

// whenPainted waits for the list and returns when the page was painted first, and when the
// list was, in milliseconds.
const whenPainted = `new Promise((resolve) => {
	const look = () => {
		const [paint] = performance.getEntriesByName("first-contentful-paint");
		if (paint && window.listed) resolve([paint.startTime, window.listed]);
		else setTimeout(look, 10);
	};
	look();
})`

// paint loads the list of jobs in Chromium, which sx open signs in, and requests the list by
// itself.
func (b *bench) paint() error {
	const loads, requests = 9, 50
	link, err := b.command("open", "--print").Output()
	if err != nil {
		return fmt.Errorf("sx open: %w", err)
	}
	chrome, stop, err := chromium.Start(b.ctx)
	if err != nil {
		return err
	}
	defer stop()
	chrome, cancel := context.WithTimeout(chrome, time.Minute)
	defer cancel()
	_, err = chromedp.Call(chrome, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: whenListed})
	if err != nil {
		return err
	}
	// The first load also signs in and starts the browser's processes.
	if _, err := b.load(chrome, chromedp.Navigate(strings.TrimSpace(string(link)))); err != nil {
		return err
	}
	var painted, listed []float64
	for range loads {
		if _, err := chromedp.Call(chrome, network.ClearBrowserCache, cdp.Empty{}); err != nil {
			return err
		}
		at, err := b.load(chrome, chromedp.Reload())
		if err != nil {
			return err
		}
		painted, listed = append(painted, at[0]), append(listed, at[1])
	}
	fmt.Printf("first paint of the page with %d jobs: median %.0f ms, maximum %.0f ms; with the list: median %.0f ms; %d loads with an empty cache (target: first paint under 200 ms)\n",
		pageJobs, median(painted), slices.Max(painted), median(listed), loads)

	server, err := programs.Find(b.data)
	if err != nil {
		return err
	}
	cookies, err := chromedp.Call(chrome, network.GetCookies, network.GetCookiesParams{URLs: []string{server.URL}})
	if err != nil {
		return err
	}
	if len(cookies.Cookies) != 1 {
		return fmt.Errorf("the browser has %d cookies", len(cookies.Cookies))
	}
	cookie := cookies.Cookies[0].Name + "=" + cookies.Cookies[0].Value
	var took []float64
	for range requests {
		start := time.Now()
		if err := b.get(server.URL+api.PathJobs+"?limit=50", cookie); err != nil {
			return err
		}
		took = append(took, float64(time.Since(start))/float64(time.Millisecond))
	}
	fmt.Printf("request for the list of %d jobs, a page of 50: median %.1f ms, maximum %.1f ms of %d (target: under 20 ms)\n",
		pageJobs, median(took), slices.Max(took), requests)
	return nil
}

// load loads a page and returns the times of whenPainted.
func (b *bench) load(chrome context.Context, how chromedp.Action[chromedp.Void]) (at []float64, err error) {
	if err := chromedp.Do(chrome, how); err != nil {
		return nil, err
	}
	at, err = chromedp.Run(chrome, chromedp.Evaluate[[]float64](whenPainted, chromedp.EvalAwaitPromise))
	if err == nil && len(at) != 2 {
		err = fmt.Errorf("the page has the times %v", at)
	}
	return at, err
}

// get reads a response as the page does.
func (b *bench) get(url, cookie string) error {
	res, err := b.fromPage(http.MethodGet, url, cookie, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return errors.Join(err, res.Body.Close())
}

// fromPage sends a request as the page does and returns the response, which must be a success.
func (b *bench) fromPage(method, url, cookie string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(b.ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set(api.HeaderBrowser, "1")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		_ = res.Body.Close()
		return nil, fmt.Errorf("%s %s: %s", method, url, res.Status)
	}
	return res, nil
}
