package transfer

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// Watcher follows jobs until they end: by the server's event stream, or by polling if
// a proxy buffers the stream.
type Watcher struct {
	API    *client.Client
	Policy *Policy
	// Silence is how long the stream may send nothing before polling starts; 0 is
	// three times the API's keep-alive interval.
	Silence time.Duration
	// PollInterval is the time between two polls; 0 is 2 s.
	PollInterval time.Duration
}

// WatchEvents are the callbacks of Watcher.Follow, which are not called concurrently.
type WatchEvents struct {
	// Job is called for each job at the start and after each change.
	Job func(api.Job)
	// Gone is called for a job that does not exist or was removed.
	Gone func(id string)
	// Wait is called before a pause because the server is unreachable.
	Wait func(reason string, until time.Time)
}

// pollInterval is the default of Watcher.PollInterval.
const pollInterval = 2 * time.Second

// minStream is how long a stream must have lasted to be continued without a pause when its
// token has expired, so that a server cannot ask for streams without end.
const minStream = time.Second

// brokenStreams is the number of consecutive streams that end without any event after
// which polling is tried.
const brokenStreams = 2

// Follow reports the changes of the jobs until all are final or gone. Its error is the
// server's, or of code timed_out.
func (w *Watcher) Follow(ctx context.Context, ids []string, events WatchEvents) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu    sync.Mutex
		group sync.WaitGroup
		first error
	)
	for some := range slices.Chunk(ids, api.MaxIDs) {
		f := &follower{Watcher: w, ids: some, open: map[string]api.Job{}, mu: &mu, events: events}
		for _, id := range some {
			f.open[id] = api.Job{}
		}
		group.Go(func() {
			if err := f.follow(ctx); err != nil {
				mu.Lock()
				if first == nil {
					first = err
				}
				mu.Unlock()
				cancel() // Follow fails, so the others can stop
			}
		})
	}
	group.Wait()
	return first
}

// follower follows the jobs of one request.
type follower struct {
	*Watcher
	ids  []string
	open map[string]api.Job // jobs that are not final, as last reported

	mu     *sync.Mutex // guards events
	events WatchEvents
}

func (f *follower) follow(ctx context.Context) error {
	retry := f.Policy.Start(f)
	lastID, broken := "", 0
	for len(f.open) > 0 {
		start := time.Now()
		alive, err := f.stream(ctx, &lastID, retry)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && len(f.open) == 0:
			return nil
		case err == nil:
			// The stream ended without reporting the end of each job.
			return f.poll(ctx, retry)
		case errors.Is(err, ErrStalled), sx.CodeOf(err) == sx.CodeTooManyRequests:
			return f.poll(ctx, retry)
		case errors.Is(err, client.ErrReconnect) && time.Since(start) >= minStream:
			continue // with a fresh token
		case alive:
			broken = 0
		default:
			broken++
		}
		if broken >= brokenStreams && f.pollOnce(ctx) == nil {
			return f.poll(ctx, retry)
		}
		if err := retry.Pause(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// stream reads one event stream to its end. alive reports whether it sent anything.
func (f *follower) stream(ctx context.Context, lastID *string, retry *Retry) (alive bool, err error) {
	ctx, dog := watch(ctx, cmp.Or(f.Silence, 3*api.KeepAlive))
	defer dog.stop()
	err = f.API.Events(ctx, f.ids, *lastID, func(e client.Event) {
		dog.reset()
		retry.Progress()
		alive = true
		if e.ID != "" {
			*lastID = e.ID
		}
		switch e.Type {
		case api.EventJob:
			f.report(e.Job)
		case api.EventGone:
			f.reportGone(e.Gone)
		}
	})
	return alive, stallError(ctx, err)
}

// poll requests the jobs at intervals until all are final or gone. It waits at least as long
// as the response took: clients that ask a slow server again at once keep it slow.
func (f *follower) poll(ctx context.Context, retry *Retry) error {
	for {
		var took time.Duration
		err := retry.Do(ctx, func(ctx context.Context) error {
			start := time.Now()
			defer func() { took = time.Since(start) }()
			return f.pollOnce(ctx)
		})
		if err != nil {
			return err
		}
		if len(f.open) == 0 {
			return nil
		}
		if err := backoff.Sleep(ctx, max(cmp.Or(f.PollInterval, pollInterval), took)); err != nil {
			return err
		}
	}
}

// pollOnce requests all jobs that are not final.
func (f *follower) pollOnce(ctx context.Context) error {
	filter := client.JobFilter{IDs: slices.Sorted(maps.Keys(f.open))}
	// A page of jobs with hundreds of MP3s is short, so one that is not on it may be on the next.
	jobs, _, err := cmdutil.Pages("", 0, func(after string, limit int) (page []api.Job, next string, err error) {
		filter.After, filter.Limit = after, limit
		err = watched(ctx, stallTimeout, func(ctx context.Context) error {
			list, err := f.API.Jobs(ctx, filter)
			page, next = list.Jobs, list.Next
			return err
		})
		return page, next, err
	})
	if err != nil {
		return err
	}
	missing := maps.Clone(f.open)
	for _, job := range jobs {
		delete(missing, job.ID)
		f.report(job)
	}
	for id := range missing {
		f.reportGone(id)
	}
	return nil
}

func (f *follower) report(job api.Job) {
	last, ok := f.open[job.ID]
	if !ok {
		return // already reported as final; a new stream starts with all jobs
	}
	if job.State.Final() {
		delete(f.open, job.ID)
	} else {
		f.open[job.ID] = job
	}
	if last.ID != "" && last.State == job.State && last.Progress == job.Progress &&
		last.Attempt == job.Attempt && last.Updated.Equal(job.Updated) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events.Job(job)
}

func (f *follower) reportGone(id string) {
	if _, ok := f.open[id]; !ok {
		return
	}
	delete(f.open, id)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events.Gone(id)
}

// Wait implements WaitReporter.
func (f *follower) Wait(reason string, until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events.Wait(reason, until)
}

// ShowJob shows the progress of a job that is not final.
func ShowJob(progress Progress, job api.Job) {
	switch job.State {
	case sx.StateUploading:
		progress.Percent("uploading", job.Progress, 0)
	case sx.StateQueued:
		progress.Percent("queued", 0, 0)
	case sx.StateRunning:
		progress.Percent("converting", job.Progress, time.Duration(job.Remaining*float64(time.Second)))
	}
}

// SayWarnings prints a line for each warning of the job.
func SayWarnings(progress Progress, job api.Job) {
	for _, w := range job.Warnings {
		progress.Say("warning: %s", w.Message)
	}
}

// UnfinishedJobs returns the IDs of all the user's jobs that are not final.
func UnfinishedJobs(ctx context.Context, c *client.Client) ([]string, error) {
	jobs, err := AllJobs(ctx, c, sx.StateUploading, sx.StateQueued, sx.StateRunning)
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ID
	}
	return ids, err
}

// AllJobs returns all pages of the user's jobs in the given states, oldest first.
func AllJobs(ctx context.Context, c *client.Client, states ...sx.State) ([]api.Job, error) {
	jobs, _, err := cmdutil.Pages("", 0, func(after string, limit int) ([]api.Job, string, error) {
		page, err := c.Jobs(ctx, client.JobFilter{States: states, After: after, Limit: limit})
		return page.Jobs, page.Next, err
	})
	slices.Reverse(jobs)
	return jobs, err
}
