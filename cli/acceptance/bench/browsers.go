package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/soundextract/sx/cli/acceptance/programs"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// What the browsers follow whose memory is measured. An account may have ten event streams.
const (
	browserAccounts = 20
	accountBrowsers = 10
	accountSignIns  = 5  // more from one address at once are refused; two browsers share each
	accountJobs     = 50 // a page of the list
)

// follower is an account whose browsers follow its jobs.
type follower struct {
	name, token string
	jobs        []sx.Job
}

// followers creates accounts and the jobs that they will have.
func (b *bench) followers() ([]follower, error) {
	server, err := programs.Find(b.data)
	if err != nil {
		return nil, err
	}
	anyone, err := client.New(server.URL, http.DefaultClient)
	if err != nil {
		return nil, err
	}
	var all []follower
	for i := range browserAccounts {
		f := follower{name: fmt.Sprintf("account-%02d", i)}
		tokens, err := anyone.Register(b.ctx, api.Credentials{Name: f.name, Password: "a password for the benchmark"})
		if err != nil {
			return nil, err
		}
		f.token = tokens.AccessToken
		for n := range accountJobs {
			upload := sx.NewUpload{Source: sx.Source{Name: fmt.Sprintf("talk-%02d.mp4", n), Size: 1 << 20}, Size: 1 << 20}
			f.jobs = append(f.jobs, paused(sx.NewJob("", upload, time.Now())))
		}
		all = append(all, f)
	}
	return all, nil
}

// browsers measures sxd without browsers, while all browsers have their event streams, and
// while all jobs that they follow change their state.
func (b *bench) browsers(all []follower) error {
	pid, err := b.restart()
	if err != nil {
		return err
	}
	server, err := programs.Find(b.data)
	if err != nil {
		return err
	}
	cookies := make([][]string, len(all))
	for i, f := range all {
		for range accountSignIns {
			cookie, err := b.signIn(server.URL, f.token)
			if err != nil {
				return err
			}
			cookies[i] = append(cookies[i], cookie)
		}
	}
	without, err := b.peakMemory(pid, server.URL, nil)
	if err != nil {
		return err
	}
	var streams sync.WaitGroup
	errs := make([]error, browserAccounts*accountBrowsers)
	for i := range errs {
		f, cookie := all[i%len(all)], cookies[i%len(all)][i/len(all)%accountSignIns]
		query := url.Values{}
		for _, j := range f.jobs {
			query.Add(api.QueryID, j.ID)
		}
		res, err := b.fromPage(http.MethodGet, server.URL+api.PathEvents+"?"+query.Encode(), cookie, nil)
		if err != nil {
			return err
		}
		streams.Go(func() { errs[i] = readStream(res.Body, len(f.jobs)) })
	}
	const quiet = 10 * time.Second
	idle, err := b.peakMemory(pid, server.URL, func() error {
		select {
		case <-time.After(quiet):
			return nil
		case <-b.ctx.Done():
			return b.ctx.Err()
		}
	})
	if err != nil {
		return err
	}
	start := time.Now()
	busy, err := b.peakMemory(pid, server.URL, func() error {
		for n := range accountJobs {
			for i, f := range all {
				path := strings.Replace(api.PathCancel, "{id}", f.jobs[n].ID, 1)
				res, err := b.fromPage(http.MethodPost, server.URL+path, cookies[i][0], nil)
				if err != nil {
					return err
				}
				_ = res.Body.Close()
			}
		}
		streams.Wait()
		return errors.Join(errs...)
	})
	if err != nil {
		return err
	}
	fmt.Printf("memory of sxd (resident, Go heap): %s without browsers; %s while %d browsers follow %d jobs each; %s while %d jobs change within %.1f s\n",
		without, idle, len(errs), accountJobs, busy, browserAccounts*accountJobs, time.Since(start).Seconds())
	return nil
}

// signIn signs in a browser by a code, as sx open does, and returns its cookie.
func (b *bench) signIn(server, token string) (cookie string, err error) {
	c, err := client.New(server, &http.Client{Transport: client.Bearer{Token: token}})
	if err != nil {
		return "", err
	}
	code, err := c.CreateBrowserCode(b.ctx)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(api.BrowserSignIn{Code: code.Code})
	if err != nil {
		return "", err
	}
	res, err := b.fromPage(http.MethodPost, server+api.PathBrowserSignIn, "", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	_ = res.Body.Close()
	if len(res.Cookies()) != 1 {
		return "", fmt.Errorf("the sign-in set %d cookies", len(res.Cookies()))
	}
	return res.Cookies()[0].Name + "=" + res.Cookies()[0].Value, nil
}

// readStream reads an event stream to its end, when all jobs have been cancelled.
func readStream(from io.ReadCloser, jobs int) error {
	defer func() { _ = from.Close() }()
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	cancelled, ended := 0, false
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "data:") && strings.Contains(line, `"state":"`+string(sx.StateCancelled)+`"`):
			cancelled++
		case line == "event: "+api.EventEnd:
			ended = true
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if cancelled != jobs || !ended {
		return fmt.Errorf("an event stream told of %d of %d jobs; it ended with all: %v", cancelled, jobs, ended)
	}
	return nil
}

// used is memory of sxd in bytes: what is resident, and what Go's heap has in use.
type used struct{ resident, heap int64 }

func (u used) String() string { return fmt.Sprintf("%d MiB, %d MiB", u.resident>>20, u.heap>>20) }

// peakMemory returns the peaks while fn runs.
func (b *bench) peakMemory(pid int, server string, fn func() error) (used, error) {
	var heap int64
	sample := func() error {
		now, err := b.heap(server)
		heap = max(heap, now)
		return err
	}
	if err := sample(); err != nil {
		return used{}, err
	}
	if fn == nil {
		now, err := b.resident(pid)
		return used{now.own, heap}, err
	}
	done := make(chan error, 1)
	peaks, err := b.peaks(func() error {
		go func() { done <- fn() }()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := sample(); err != nil {
					return err
				}
			case err := <-done:
				return errors.Join(err, sample())
			}
		}
	}, pid)
	if err != nil {
		return used{}, err
	}
	return used{peaks[0].own, heap}, nil
}

// heap returns the bytes of Go's heap that are in use, from the metrics.
func (b *bench) heap(server string) (int64, error) {
	res, err := b.fromPage(http.MethodGet, server+api.PathMetrics, "", nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_memstats_heap_inuse_bytes "); ok {
			var bytes float64
			_, err := fmt.Sscan(value, &bytes)
			return int64(bytes), err
		}
	}
	return 0, errors.Join(lines.Err(), errors.New("the metrics have no size of the heap"))
}
