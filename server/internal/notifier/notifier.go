// Package notifier is the service that tells owners how their jobs ended, by
// e-mail and by webhooks, and lets them say where. What it tells is a record of
// the store, one for each channel, made once; sending it is tried until the
// receiver takes it, for days, and blocks nothing else.
package notifier

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	mail "github.com/wneessen/go-mail"
	"golang.org/x/sync/errgroup"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Config is what the service needs. All fields without a default are required.
type Config struct {
	Updater              *jobs.Updater
	Bus                  bus.Bus
	NotificationSettings store.NotificationSettings
	Deliveries           store.Deliveries

	// AuthURL is where the auth service answers, AuthTransport the way there.
	AuthURL       *url.URL
	AuthTransport http.RoundTripper

	Settings
	// Roots are whom the certificates of mail server and webhooks are checked
	// by; nil is the system's.
	Roots *x509.CertPool

	Log *slog.Logger
	Now func() time.Time
	// Reconcile is the pause between two looks for notices whose wake-up message was
	// lost, and between two looks for deliveries that are due.
	Reconcile  time.Duration
	Registerer prometheus.Registerer // nil keeps the metrics unpublished
}

// Service tells owners.
type Service struct {
	cfg     Config
	mail    *mail.Client // nil when no mail is sent
	posts   *posts
	lanes   lanes
	metrics metrics
	wake    chan struct{} // holds one when deliveries may be due
	tries   sync.WaitGroup
}

// New makes the service. Its Handler answers at once; Run has to run beside it.
func New(cfg Config) (*Service, error) {
	s := &Service{
		cfg: cfg, posts: newPosts(cfg.Networks, cfg.Roots),
		lanes: lanes{busy: map[string]int{}}, metrics: newMetrics(cfg.Registerer), wake: make(chan struct{}, 1),
	}
	if cfg.Mail.Addr != "" {
		var err error
		if s.mail, err = newMailClient(cfg.Mail, cfg.Roots); err != nil {
			return nil, fmt.Errorf("start notifier: %w", err)
		}
	}
	return s, nil
}

// Run works until ctx ends; then it gives what is being sent a moment to end.
func (s *Service) Run(ctx context.Context) error {
	reconciler := &jobs.Reconciler{
		Updater: s.cfg.Updater, Queue: bus.Notify, Every: s.cfg.Reconcile,
		Due: func(j sx.Job, _ time.Time) bool { return j.Notification == sx.NotificationPending },
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return reconciler.Run(ctx) })
	group.Go(func() error { return s.receive(ctx) })
	group.Go(func() error { s.send(ctx); return nil })
	group.Go(func() error { s.forget(ctx); return nil })
	return group.Wait()
}

func (s *Service) receive(ctx context.Context) error {
	for {
		d, err := s.cfg.Bus.Receive(ctx, bus.Notify)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		s.handle(ctx, d)
	}
}

func (s *Service) handle(ctx context.Context, d bus.Delivery) {
	id := d.Message().JobID
	err := s.tell(ctx, id)
	if err == nil {
		err = d.Ack(ctx)
	} else {
		s.cfg.Log.WarnContext(ctx, "notice not made, will be tried again", "job", id, "error", err)
		err = d.Nack(ctx)
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.WarnContext(ctx, "wake-up message neither acknowledged nor returned", "job", id, "error", err)
	}
}

// kept is how long deliveries that are over can be looked at.
const kept = 30 * 24 * time.Hour

// forget removes old deliveries, the first time at once, until ctx ends.
func (s *Service) forget(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := s.cfg.Deliveries.DeleteSettled(ctx, s.cfg.Now().Add(-kept)); err != nil && ctx.Err() == nil {
			s.cfg.Log.WarnContext(ctx, "old deliveries were not removed, next round will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
