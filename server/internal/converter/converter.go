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
	Transcoder Transcoder
	// Conversions is how many conversions may be open at the same time, at least 2.
	Conversions int
	Log         *slog.Logger
	Now         func() time.Time
	Registerer  prometheus.Registerer

	Lease             time.Duration // how long a job stays claimed without a renewal (default 20 s)
	RenewInterval     time.Duration // between two renewals of a lease (default 5 s)
	PollInterval      time.Duration // between two searches for jobs of new owners, while only reserved slots are free (default 500 ms)
	ProgressInterval  time.Duration // minimum time between two writes of progress (default 1 s)
	ReconcileInterval time.Duration // between two checks for expired leases and lost wake-up messages (default 5 s)
	SweepInterval     time.Duration // between two checks for orphaned tracks (default 1 h)
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
	worker := sx.NewID()
	if host, err := os.Hostname(); err == nil {
		worker = host + "-" + worker
	}
	return &Service{Config: cfg, worker: worker, open: newOpenConversions(max(cfg.Conversions, 2)), metrics: newMetrics(cfg.Registerer)}
}

// Run converts until ctx ends. Then it stops the running conversions, releases
// their jobs and returns nil.
func (s *Service) Run(ctx context.Context) error {
	reconciler := &jobs.Reconciler{
		Updater: s.Updater, Queue: bus.Convert, Every: s.ReconcileInterval,
		Due: func(j sx.Job, now time.Time) bool { return j.Claimable(now) },
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return reconciler.Run(ctx) })
	group.Go(func() error { s.watchLeases(ctx); return nil })
	group.Go(func() error { s.sweepTracks(ctx); return nil })
	group.Go(func() error { s.dispatch(ctx); return nil })
	return group.Wait()
}

// ReleaseAll releases all running jobs. It is for a process that knows that no
// converter is running: in local mode the data directory is locked.
func ReleaseAll(ctx context.Context, updater *jobs.Updater) error {
	list, err := updater.Jobs.Unsettled(ctx)
	if err != nil {
		return fmt.Errorf("list the running jobs: %w", err)
	}
	for _, j := range list {
		if j.State != sx.StateRunning {
			continue
		}
		_, err := updater.Update(ctx, j.ID, func(now *sx.Job) error { return now.Release(j.Attempt, updater.Now()) })
		if err != nil && !jobs.IsStale(err) {
			return fmt.Errorf("release job %s: %w", j.ID, err)
		}
	}
	return nil
}
