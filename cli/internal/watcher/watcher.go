// Package watcher follows jobs to their end: over the server's event stream,
// and by polling where something between here and the server eats the stream.
package watcher

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Watcher follows jobs.
type Watcher struct {
	API    *client.Client
	Policy *transfer.Policy
	// Silence is how long the stream may show no sign of life before polling
	// begins; 0 is what the API promises.
	Silence time.Duration
}

// Events are what a watcher tells. The functions are called one at a time.
type Events struct {
	// Job is called for each job at the beginning and after each change.
	Job func(api.Job)
	// Gone is called for a job that does not exist (any more).
	Gone func(id string)
	// Wait is called before a pause because the server is away.
	Wait func(reason string, until time.Time)
}

// pollEvery is the pace of polling.
const pollEvery = 2 * time.Second

// brokenStreams is after how many streams in a row that broke without a sign of
// life polling is tried.
const brokenStreams = 2

// Follow tells what happens to the jobs until all are final or gone. Its error
// is the server's, or that the patience is over.
func (w *Watcher) Follow(ctx context.Context, ids []string, events Events) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu    sync.Mutex
		group sync.WaitGroup
		errs  = make([]error, 0, 1)
	)
	for some := range slices.Chunk(ids, api.MaxIDs) {
		f := &follower{Watcher: w, ids: some, open: map[string]api.Job{}, mu: &mu, events: events}
		for _, id := range some {
			f.open[id] = api.Job{}
		}
		group.Go(func() {
			if err := f.follow(ctx); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
				cancel() // the others would wait for what nobody hears any more
			}
		})
	}
	group.Wait()
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// follower follows as many jobs as one request can name.
type follower struct {
	*Watcher
	ids  []string
	open map[string]api.Job // those not at their end, as last told

	mu     *sync.Mutex // of the events
	events Events
}

func (f *follower) follow(ctx context.Context) error {
	retry := f.Policy.Start(meter{f})
	lastID, broken := "", 0
	for len(f.open) > 0 {
		alive, err := f.stream(ctx, &lastID, retry)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && len(f.open) == 0:
			return nil
		case err == nil:
			// The stream says that all is over, and has not said it of each job.
			return f.poll(ctx, retry)
		case errors.Is(err, transfer.ErrStalled):
			return f.poll(ctx, retry)
		case alive:
			broken = 0
		default:
			broken++
		}
		if broken >= brokenStreams && f.ask(ctx) == nil {
			return f.poll(ctx, retry)
		}
		if err := retry.Pause(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// stream reads one event stream to its end and reports whether it ever lived.
func (f *follower) stream(ctx context.Context, lastID *string, retry *transfer.Retry) (alive bool, err error) {
	silence := f.Silence
	if silence == 0 {
		silence = 3 * api.KeepAlive
	}
	ctx, dog := transfer.Watch(ctx, silence)
	defer dog.Stop()
	err = f.API.Events(ctx, f.ids, *lastID, func(e client.Event) {
		dog.Beat()
		retry.Progress()
		alive = true
		if e.ID != "" {
			*lastID = e.ID
		}
		switch e.Type {
		case api.EventJob:
			f.tell(e.Job)
		case api.EventGone:
			f.gone(e.Gone)
		}
	})
	return alive, transfer.Cause(ctx, err)
}

// poll asks for the jobs again and again.
func (f *follower) poll(ctx context.Context, retry *transfer.Retry) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if err := retry.Do(ctx, f.ask); err != nil {
			return err
		}
		if len(f.open) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// ask asks once for all jobs that are not at their end.
func (f *follower) ask(ctx context.Context) error {
	ctx, dog := transfer.Watch(ctx, transfer.Stall)
	defer dog.Stop()
	ids := slices.Sorted(maps.Keys(f.open))
	list, err := f.API.Jobs(ctx, client.JobFilter{IDs: ids, Limit: api.MaxLimit})
	if err != nil {
		return transfer.Cause(ctx, err)
	}
	missing := maps.Clone(f.open)
	for _, job := range list.Jobs {
		delete(missing, job.ID)
		f.tell(job)
	}
	for id := range missing {
		f.gone(id)
	}
	return nil
}

func (f *follower) tell(job api.Job) {
	last, ok := f.open[job.ID]
	if !ok {
		return // at its end, and told: a new stream begins with all again
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

func (f *follower) gone(id string) {
	if _, ok := f.open[id]; !ok {
		return
	}
	delete(f.open, id)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events.Gone(id)
}

// meter shows the pauses of a follower.
type meter struct{ f *follower }

func (m meter) Wait(reason string, until time.Time) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	m.f.events.Wait(reason, until)
}

// Unfinished gives the ids of all one's jobs that are not at their end.
func Unfinished(ctx context.Context, c *client.Client) ([]string, error) {
	jobs, err := All(ctx, c, sx.StateUploading, sx.StateQueued, sx.StateRunning)
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ID
	}
	return ids, err
}

// All gives all one's jobs in the given states, oldest first, however many
// pages they fill.
func All(ctx context.Context, c *client.Client, states ...sx.State) ([]api.Job, error) {
	filter := client.JobFilter{States: states, Limit: api.MaxLimit}
	var jobs []api.Job
	for {
		page, err := c.Jobs(ctx, filter)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, page.Jobs...)
		if filter.After = page.Next; page.Next == "" {
			slices.Reverse(jobs)
			return jobs, nil
		}
	}
}
