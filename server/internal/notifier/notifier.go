// Package notifier is the service that notifies owners of finished jobs, by e-mail
// and webhooks, and serves the API in which users configure that.
//
// It is an outbox: for each finished job it stores one delivery for each channel of
// the owner, exactly once, and then sends the deliveries independently of each
// other, at least once, retrying for up to three days.
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
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// Config is what the service needs. All fields without a default are required.
type Config struct {
	Updater              *jobs.Updater
	Bus                  bus.Bus
	NotificationSettings store.NotificationSettings
	Deliveries           store.Deliveries
	Erasures             store.Erasures
	Tasks                store.Tasks
	Counters             store.Counters

	AuthURL       *url.URL // of the auth service
	AuthTransport http.RoundTripper

	Settings
	// Roots are the CAs that the certificates of the mail server and of
	// webhooks are verified against; nil means the system's.
	Roots *x509.CertPool

	Log *slog.Logger
	Now func() time.Time
	// ReconcileInterval is the interval between two checks for lost wake-up messages
	// and for due deliveries.
	ReconcileInterval time.Duration
	Registerer        prometheus.Registerer // nil: the metrics are not registered
}

// Service notifies owners.
type Service struct {
	cfg      Config
	mail     *mail.Client // nil if no mail is sent
	webhooks *webhookSender
	limits   *limits
	metrics  metrics
	large    *httpserver.LargeRequests
	wake     chan struct{} // holds an element when deliveries may be due
	attempts sync.WaitGroup
}

// New creates the service. Its Handler works only while Run runs.
func New(cfg Config) (*Service, error) {
	s := &Service{
		cfg: cfg, webhooks: newWebhookSender(cfg.Networks, cfg.Roots),
		limits: newLimits(), metrics: newMetrics(cfg.Registerer), large: httpserver.NewLargeRequests(), wake: make(chan struct{}, 1),
	}
	if cfg.Mail.Addr != "" {
		var err error
		if s.mail, err = newMailClient(cfg.Mail, cfg.Roots); err != nil {
			return nil, fmt.Errorf("start notifier: %w", err)
		}
	}
	return s, nil
}

// Run works until ctx ends. Then it waits up to shutdownGrace for running
// attempts.
func (s *Service) Run(ctx context.Context) error {
	reconciler := &jobs.Reconciler{
		Updater: s.cfg.Updater, Queue: bus.Notify, Every: s.cfg.ReconcileInterval,
		Waiting: func(ctx context.Context, now time.Time, limit int) ([]sx.Job, error) {
			return s.cfg.Updater.Jobs.Due(ctx, sx.ActionNotify, now, limit)
		},
		Published: func(ctx context.Context, j sx.Job) error {
			return s.cfg.Updater.Postpone(ctx, j, s.cfg.Now().Add(republishInterval))
		},
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return reconciler.Run(ctx) })
	group.Go(func() error { return s.receive(ctx) })
	group.Go(func() error { s.send(ctx); return nil })
	group.Go(func() error { s.announceDeletions(ctx); return nil })
	group.Go(func() error { s.removeOldRecords(ctx); return nil })
	group.Go(func() error { s.newErase().Run(ctx); return nil })
	return group.Wait()
}

// receive handles wake-up messages until ctx ends.
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
	ctx, span := tracing.StartProcess(ctx, d.Message().Trace, string(bus.Notify), id)
	err := s.notify(ctx, id)
	tracing.End(span, err)
	if err == nil {
		err = d.Ack(ctx)
	} else {
		s.cfg.Log.WarnContext(ctx, "deliveries not created; retrying", "job", id, "error", err)
		err = d.Nack(ctx)
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.WarnContext(ctx, "ack or nack failed; the message will be redelivered", "job", id, "error", err)
	}
}

// republishInterval is how long the message of a finished job is not published again,
// so that other jobs are not kept waiting by those that cannot be handled.
const republishInterval = time.Minute

const (
	// retention is how long delivered and failed deliveries are kept.
	retention       = 30 * 24 * time.Hour
	removalInterval = time.Hour
)

// removeOldRecords removes deliveries older than retention, and the counters of earlier
// days, immediately and then every removalInterval, until ctx ends.
func (s *Service) removeOldRecords(ctx context.Context) {
	retry := periodic.Retry{Log: s.cfg.Log, Doing: "removing old deliveries and counters", Every: removalInterval}
	remove := func() error {
		now := s.cfg.Now()
		return errors.Join(s.cfg.Deliveries.DeleteSettled(ctx, now.Add(-retention)), s.cfg.Counters.DeleteExpired(ctx, now))
	}
	for retry.Sleep(ctx, remove()) == nil {
	}
}
