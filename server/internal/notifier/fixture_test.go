package notifier_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/internal/bus/membus"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// fixture contains what the notifiers of a test share: a store, a bus, an auth
// service, and a clock that the test advances.
type fixture struct {
	t       *testing.T
	store   store.Store
	bus     *membus.Bus
	updater *jobs.Updater
	auth    *url.URL
	reg     *prometheus.Registry
	ahead   atomic.Int64
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s, err := localstore.Open(t.Context(), localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	f := &fixture{t: t, store: s, bus: membus.New(), reg: prometheus.NewRegistry()}
	t.Cleanup(func() { _ = f.bus.Close() })
	f.updater = &jobs.Updater{Jobs: s.Jobs, Bus: f.bus, Log: slog.New(slog.DiscardHandler), Now: f.now}
	// The fake auth service: a user's token is the user's ID.
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if r.URL.Path != api.PathMe || user == "nobody" {
			api.WriteError(w, sx.NewError(sx.CodeUnauthenticated, "the access token is not valid"))
			return
		}
		api.Write(w, http.StatusOK, api.User{ID: user, Name: user})
	}))
	t.Cleanup(auth.Close)
	if f.auth, err = url.Parse(auth.URL); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) now() time.Time          { return time.Now().Add(time.Duration(f.ahead.Load())) }
func (f *fixture) advance(d time.Duration) { f.ahead.Add(int64(d)) }
func (f *fixture) loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// config is the configuration of a notifier that may reach the test's receivers.
func (f *fixture) config() notifier.Config {
	return notifier.Config{
		Updater: f.updater, Bus: f.bus, NotificationSettings: f.store.NotificationSettings, Deliveries: f.store.Deliveries, Counters: f.store.Counters, Erasures: f.store.Erasures, Tasks: f.store.Tasks,
		AuthURL: f.auth, AuthTransport: http.DefaultTransport, Settings: notifier.Settings{Networks: f.loopback()},
		Log: slog.New(slog.DiscardHandler), Now: f.now, ReconcileInterval: 10 * time.Millisecond, Registerer: f.reg,
	}
}

// noon sets the clock to a noon, so that no UTC day begins during the test.
func (f *fixture) noon() {
	const day = 24 * time.Hour
	f.ahead.Store(int64(time.Until(time.Now().Truncate(day).Add(day + day/2))))
}

// server is a running notifier.
type server struct {
	*fixture
	url  string
	stop func() // and wait until it has stopped
}

func (f *fixture) start(cfg notifier.Config) *server {
	f.t.Helper()
	service, err := notifier.New(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	front := httptest.NewServer(service.Handler())
	s := &server{fixture: f, url: front.URL}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		front.Close()
		select {
		case err := <-ended:
			if err != nil {
				f.t.Errorf("Run: %v", err)
			}
		case <-time.After(testkit.Timeout):
			f.t.Error("Run did not return")
		}
	}
	f.t.Cleanup(s.stop)
	return s
}

func (s *server) as(user string) *client.Client {
	s.t.Helper()
	c, err := client.New(s.url, &http.Client{Transport: client.Bearer{Token: user}})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *server) addWebhook(user, url string) api.CreatedWebhook {
	s.t.Helper()
	made, err := s.as(user).AddWebhook(s.t.Context(), api.NewWebhook{URL: url})
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

// deliveries returns the user's deliveries, the newest first.
func (s *server) deliveries(user string) []api.Delivery {
	s.t.Helper()
	list, err := s.as(user).Deliveries(s.t.Context(), "", 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Deliveries
}

// waitFor waits until cond is true for the user's newest delivery.
func (s *server) waitFor(user, what string, cond func(api.Delivery) bool) api.Delivery {
	s.t.Helper()
	var last []api.Delivery
	testkit.Eventually(s.t, what, func() bool {
		last = s.deliveries(user)
		return len(last) > 0 && cond(last[0])
	}, func() any { return last })
	return last[0]
}

func in(state sx.DeliveryState) func(api.Delivery) bool {
	return func(d api.Delivery) bool { return d.State == state }
}

func failedAttempts(n int) func(api.Delivery) bool {
	return func(d api.Delivery) bool { return d.Tries == n && d.LastError != "" }
}

// finishJob creates a finished job of the owner and publishes its wake-up message.
func (f *fixture) finishJob(owner, name string, failure *sx.Error, warnings ...sx.Warning) sx.Job {
	f.t.Helper()
	now := f.now()
	j := sx.NewJob(owner, sx.NewUpload{Source: sx.Source{Name: name}, Size: 1000}, now)
	j.Sent.SHA256 = strings.Repeat("0", 64)
	j.Attempt, j.Notification = 1, sx.NotificationPending
	if j.State, j.Error = sx.StateFailed, failure; failure == nil {
		j.State = sx.StateDone
		j.Warnings = warnings
		j.Tracks = []sx.Track{{Number: 1, Size: 1_234_567, SHA256: strings.Repeat("1", 64), Duration: 61 * time.Second}}
		if name == "several.mp4" {
			second := j.Tracks[0]
			second.Number = 2
			j.Tracks = append(j.Tracks, second)
		}
	}
	if name == "large.mp4" {
		for n := 2; n <= sx.MaxTracks; n++ {
			j.Tracks = append(j.Tracks, sx.Track{Number: n, Size: 1, SHA256: strings.Repeat("1", 64), Title: strings.Repeat("a", 500)})
		}
	}
	if err := f.store.Jobs.Create(f.t.Context(), j); err != nil {
		f.t.Fatal(err)
	}
	f.updater.Created(f.t.Context(), j)
	return j
}

// pending stores deliveries to a webhook that have been due for an hour.
func (f *fixture) pending(n int, user, webhook string) {
	f.t.Helper()
	for range n {
		at := f.now().Add(-time.Hour)
		if err := f.store.Deliveries.Create(f.t.Context(), sx.Delivery{
			ID: sx.NewID(), UserID: user, Event: sx.EventTest, Channel: sx.ChannelWebhook, WebhookID: webhook,
			Payload: []byte("{}"), State: sx.DeliveryPending, Due: at, Created: at, Updated: at,
		}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// waitForNotified waits until the job is marked as notified.
func (f *fixture) waitForNotified(j sx.Job) {
	f.t.Helper()
	testkit.Eventually(f.t, "the job is marked as notified", func() bool {
		now, err := f.store.Jobs.Get(f.t.Context(), j.ID)
		return err == nil && now.Notification == sx.NotificationSent
	}, func() any { return j.ID })
}

// webhookRequest is a request that a receiver received.
type webhookRequest struct {
	id     string
	header http.Header
	body   []byte
	event  api.WebhookEvent
}

// receiver is the receiver of a webhook.
type receiver struct {
	t        *testing.T
	url      string
	requests chan webhookRequest
}

// receive starts a receiver. If answer is nil, it accepts every request.
func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{t: t, requests: make(chan webhookRequest, 100)}
	server := httptest.NewServer(r.handler(answer))
	t.Cleanup(server.Close)
	r.url = server.URL + "/hook"
	return r
}

func (r *receiver) next() webhookRequest {
	r.t.Helper()
	select {
	case p := <-r.requests:
		return p
	case <-time.After(testkit.Timeout):
		r.t.Fatal("no request within the timeout")
		return webhookRequest{}
	}
}

// wantNoMore checks that there was no other request.
func (r *receiver) wantNoMore() {
	r.t.Helper()
	select {
	case p := <-r.requests:
		r.t.Errorf("unexpected request: %s %s", p.id, p.body)
	default:
	}
}

func (r *receiver) handler(answer http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p := webhookRequest{id: req.Header.Get("webhook-id"), header: req.Header.Clone()}
		body := http.MaxBytesReader(w, req.Body, 1<<20)
		var raw json.RawMessage
		if err := json.NewDecoder(body).Decode(&raw); err != nil || req.Method != http.MethodPost {
			r.t.Errorf("%s with an invalid JSON body: %v", req.Method, err)
		}
		p.body = raw
		if err := json.Unmarshal(raw, &p.event); err != nil {
			r.t.Errorf("invalid event: %v", err)
		}
		r.requests <- p
		if answer != nil {
			answer(w, req)
		}
	})
}

// attempts returns the metric of attempts.
func (f *fixture) attempts(channel, outcome string) (n int) {
	f.t.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "sx_delivery_attempts_total" && m.GetLabel()[0].GetValue() == channel && m.GetLabel()[1].GetValue() == outcome {
				n = int(m.GetCounter().GetValue())
			}
		}
	}
	return n
}
