// Package converter is the service that converts videos into tracks. Any number
// of instances may run concurrently. A job belongs to the instance whose claim
// was stored, as long as that renews the lease; the attempt's number is the
// fencing token, so only that instance's result is recorded.
package converter

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Config is what the service needs. A zero duration means its default.
type Config struct {
	Updater    *jobs.Updater
	Bus        bus.Bus
	Videos     store.Videos
	Tracks     store.Tracks
	Tasks      store.Tasks
	Limits     store.Limits
	Transcoder Transcoder
	// Conversions is how many conversions may be open at the same time, at least 2.
	Conversions int
	// Drain is how long conversions may continue after the service was told to stop; 0
	// means that their jobs are handed back at once.
	Drain      time.Duration
	Log        *slog.Logger
	Now        func() time.Time
	Registerer prometheus.Registerer

	Lease             time.Duration // how long a job stays claimed without a renewal (default 20 s)
	RenewInterval     time.Duration // between two renewals of a lease (default 5 s)
	PollInterval      time.Duration // between two searches for jobs of owners who have none running, while only reserved slots are free (default 500 ms)
	ProgressInterval  time.Duration // minimum time between two writes of progress (default 1 s)
	ReconcileInterval time.Duration // between two checks for expired leases and lost wake-up messages (default 5 s)
	SweepInterval     time.Duration // between two passes over all tracks, for orphaned ones (default 1 h)
}

// Service converts videos.
type Service struct {
	Config
	worker  string // identifies this process in the jobs that it claims
	open    *openConversions
	metrics metrics
}

// New creates the service.
func New(cfg Config) *Service {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&cfg.Lease, 20 * time.Second},
		{&cfg.RenewInterval, 5 * time.Second},
		{&cfg.PollInterval, 500 * time.Millisecond},
		{&cfg.ProgressInterval, time.Second},
		{&cfg.ReconcileInterval, 5 * time.Second},
		{&cfg.SweepInterval, time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	host, _ := os.Hostname() // without one, the worker has only an ID
	return &Service{Config: cfg, worker: sx.NewWorker(host), open: newOpenConversions(max(cfg.Conversions, 2)), metrics: newMetrics(cfg.Registerer)}
}

// Run converts until ctx ends. Then it claims no more jobs, gives the running conversions
// the time Drain to end, stops those that have not, releases their jobs, and returns nil.
func (s *Service) Run(ctx context.Context) error {
	reconciler := &jobs.Reconciler{
		Updater: s.Updater, Queue: bus.Convert, Every: s.ReconcileInterval,
		Waiting: func(ctx context.Context, _ time.Time, limit int) ([]sx.Job, error) {
			return s.Updater.Jobs.Waiting(ctx, limit)
		},
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return reconciler.Run(ctx) })
	group.Go(func() error { s.watchJobs(ctx); return nil })
	group.Go(func() error { s.newSweep().Run(ctx); return nil })
	group.Go(func() error { s.dispatch(ctx); return nil })
	return group.Wait()
}

// draining returns a context that ends after ctx has ended and the time Drain has passed.
// stop must be called.
func (s *Service) draining(ctx context.Context) (work context.Context, stop func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unwatch := context.AfterFunc(ctx, func() {
		refused := sx.CodeOf(context.Cause(ctx)) == sx.CodeStoredFormat // nothing could be stored
		if n := s.open.count(); n > 0 && s.Drain > 0 && !refused {
			s.Log.InfoContext(ctx, "draining", "conversions", n, "at_most", s.Drain)
			_ = backoff.Sleep(work, s.Drain) // or until all have ended
		}
		cancel()
	})
	return work, func() { unwatch(); cancel() }
}

// ReleaseAll takes all running jobs back from converters that are gone. It is for a process
// that knows that no converter is running: in local mode the data directory is locked. A
// converter that is stopped hands back its jobs, so these belong to one that was killed.
func ReleaseAll(ctx context.Context, updater *jobs.Updater) error {
	const never = 100 * 365 * 24 * time.Hour // longer than any lease
	for {
		list, err := updater.Jobs.Due(ctx, sx.ActionLease, updater.Now().Add(never), dueJobs)
		if err != nil {
			return fmt.Errorf("list the running jobs: %w", err)
		}
		if len(list) == 0 {
			return nil
		}
		for _, j := range list {
			_, err := updater.Update(ctx, j.ID, func(now *sx.Job) error { return now.LoseWorker(j.Attempt, updater.Now()) })
			if err != nil && !jobs.IsStale(err) {
				return fmt.Errorf("take back job %s: %w", j.ID, err)
			}
		}
	}
}
