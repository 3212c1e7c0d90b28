// Package converter is the service that turns videos into tracks. Any number
// of them work side by side: a job belongs to the one whose claim was stored,
// for as long as it keeps the lease alive, and only that one's result counts.
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

// Config is what the service needs. A zero duration is its default.
type Config struct {
	Updater    *jobs.Updater
	Bus        bus.Bus
	Videos     store.Videos
	Tracks     store.Tracks
	Transcoder Transcoder
	Slots      int // conversions at once, at least 1
	// TempDir holds MP3s before they are stored. It is this process's alone:
	// what an earlier one left in it is removed.
	TempDir    string
	Log        *slog.Logger
	Now        func() time.Time
	Registerer prometheus.Registerer

	Lease     time.Duration // how long a silent converter keeps its job (default 20 s)
	Beat      time.Duration // how often the lease is renewed (default 5 s)
	Report    time.Duration // how often progress is stored at most (default 1 s)
	Reconcile time.Duration // pause between two looks for forgotten jobs (default 5 s)
	Sweep     time.Duration // pause between two looks for tracks of no job (default 1 h)
}

// Service converts.
type Service struct {
	Config
	worker  string // names this process in the jobs it holds
	metrics metrics
}

// New makes the service.
func New(cfg Config) *Service {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&cfg.Lease, 20 * time.Second},
		{&cfg.Beat, 5 * time.Second},
		{&cfg.Report, time.Second},
		{&cfg.Reconcile, 5 * time.Second},
		{&cfg.Sweep, time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	cfg.Slots = max(cfg.Slots, 1)
	worker := sx.NewID()
	if host, err := os.Hostname(); err == nil {
		worker = host + "-" + worker
	}
	return &Service{Config: cfg, worker: worker, metrics: newMetrics(cfg.Registerer)}
}

// Run converts until ctx ends, then ends the running conversions, hands their
// jobs back and returns nil. It returns an error only if it cannot start.
func (s *Service) Run(ctx context.Context) error {
	if err := s.clearTemp(); err != nil {
		return err
	}
	reconciler := &jobs.Reconciler{
		Updater: s.Updater, Queue: bus.Convert, Every: s.Reconcile,
		Due: func(j sx.Job, now time.Time) bool { return j.State == sx.StateQueued && !now.Before(j.NotBefore) },
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return reconciler.Run(ctx) })
	group.Go(func() error { s.watchLeases(ctx); return nil })
	group.Go(func() error { s.sweepTracks(ctx); return nil })
	for range s.Slots {
		group.Go(func() error { s.serve(ctx); return nil })
	}
	return group.Wait()
}

// ReleaseAll hands every running job back at once. It is for a process that
// knows that no converter is alive: in the local mode nobody else can have the
// data folder.
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
		if err != nil && !settled(err) {
			return fmt.Errorf("hand job %s back: %w", j.ID, err)
		}
	}
	return nil
}

// settled reports whether a change was refused because the job has moved on.
func settled(err error) bool {
	code := sx.CodeOf(err) // "" for nil
	return code == sx.CodeConflict || code == sx.CodeNotFound
}

// wait pauses; it reports false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
