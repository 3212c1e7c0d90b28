package storebackup

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/store"
)

// lastTask is the name of the state in store.Tasks with the time of the last backup.
const lastTask = "last-backup"

// Record stores that a backup was created at the given time. A backup that lacks something
// does not count, because somebody has to look at it.
func Record(ctx context.Context, tasks store.Tasks, result Result, at time.Time) error {
	if result.Damaged > 0 {
		return nil
	}
	_, err := store.Update(ctx, lastTask, tasks.Get, tasks.Replace, func(t *store.Task) error {
		t.Cursor = at.UTC().Format(time.RFC3339)
		return nil
	})
	if err != nil {
		return fmt.Errorf("record the time of the backup: %w", err)
	}
	return nil
}

// Last returns when the last complete backup was created; zero for never.
func Last(ctx context.Context, tasks store.Tasks) (time.Time, error) {
	t, err := tasks.Get(ctx, lastTask)
	if err != nil || t.Cursor == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339, t.Cursor)
	if err != nil {
		return at, fmt.Errorf("read the time of the last backup: %w", err)
	}
	return at, nil
}

// scrapeTimeout bounds the query of a scrape.
const scrapeTimeout = 2 * time.Second

// Register registers the metric with the Unix time of the last backup: 0 if there was none,
// NaN while the store cannot be reached.
func Register(ctx context.Context, tasks store.Tasks, registerer prometheus.Registerer) {
	ctx = context.WithoutCancel(ctx)
	registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sx_backup_last_success_timestamp_seconds",
		Help: "Unix time of the last complete backup; 0 if there was none.",
	}, func() float64 {
		ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
		defer cancel()
		switch at, err := Last(ctx, tasks); {
		case err != nil:
			return math.NaN()
		case at.IsZero():
			return 0
		default:
			return float64(at.Unix())
		}
	}))
}
