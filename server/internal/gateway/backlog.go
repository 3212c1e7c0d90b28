package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
)

// backlogInterval is the time between two counts of the unfinished jobs and the messages.
const backlogInterval = 15 * time.Second

var (
	jobsDesc = prometheus.NewDesc("sx_jobs",
		"Unfinished jobs of all accounts by state, counted up to 100000.", []string{"state"}, nil)
	oldestDesc = prometheus.NewDesc("sx_jobs_oldest_seconds",
		"How long the oldest job in the state has been in it, in seconds; 0 if there is none.", []string{"state"}, nil)
	messagesDesc = prometheus.NewDesc("sx_queue_messages",
		"Wake-up messages that wait for a receiver.", []string{"queue"}, nil)
	deadDesc = prometheus.NewDesc("sx_dead_letters",
		"Wake-up messages that were delivered repeatedly without success.", []string{"queue"}, nil)
)

// backlog is what all services have to do. Every gateway reads and exports the same; ages
// grow between two readings too, so that an outage of the store does not hide them.
type backlog struct {
	now func() time.Time

	mu     sync.Mutex
	jobs   store.Backlog
	queues map[bus.Queue]bus.Depth
}

func newBacklog(r prometheus.Registerer, now func() time.Time) *backlog {
	b := &backlog{now: now, queues: map[bus.Queue]bus.Depth{}}
	if r != nil {
		r.MustRegister(b)
	}
	return b
}

// watchBacklog reads the backlog from time to time, until ctx ends.
func (s *Service) watchBacklog(ctx context.Context) {
	retry := periodic.Retry{Log: s.cfg.Log, Doing: "counting the unfinished jobs", Every: backlogInterval}
	for retry.Sleep(ctx, s.readBacklog(ctx)) == nil {
	}
}

func (s *Service) readBacklog(ctx context.Context) error {
	found, err := s.cfg.Jobs.Backlog(ctx)
	if err != nil {
		return err
	}
	s.backlog.mu.Lock()
	s.backlog.jobs = found
	s.backlog.mu.Unlock()
	for _, q := range bus.Queues() {
		depth, err := s.cfg.Bus.Depth(ctx, q)
		if err != nil {
			return err
		}
		s.backlog.mu.Lock()
		s.backlog.queues[q] = depth
		s.backlog.mu.Unlock()
	}
	return nil
}

// Describe implements prometheus.Collector.
func (b *backlog) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsDesc, oldestDesc, messagesDesc, deadDesc} {
		descs <- d
	}
}

// Collect implements prometheus.Collector. Before the first reading there are no values.
func (b *backlog) Collect(metrics chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gauge := func(d *prometheus.Desc, value float64, label string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, label)
	}
	for state, in := range b.jobs {
		gauge(jobsDesc, float64(in.Jobs), string(state))
		age := time.Duration(0)
		if in.Jobs > 0 {
			age = max(0, b.now().Sub(in.Oldest))
		}
		gauge(oldestDesc, age.Seconds(), string(state))
	}
	for q, depth := range b.queues {
		gauge(messagesDesc, float64(depth.Ready), string(q))
		gauge(deadDesc, float64(depth.Dead), string(q))
	}
}
