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
)

const patience = 30 * time.Second

// house is what notifiers share: a store, a bus, auth, and a clock that tests
// move on.
type house struct {
	t       *testing.T
	store   store.Store
	bus     *membus.Bus
	updater *jobs.Updater
	auth    *url.URL
	reg     *prometheus.Registry
	ahead   atomic.Int64
}

func newHouse(t *testing.T) *house {
	t.Helper()
	s, err := localstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	h := &house{t: t, store: s, bus: membus.New(), reg: prometheus.NewRegistry()}
	t.Cleanup(func() { _ = h.bus.Close() })
	h.updater = &jobs.Updater{Jobs: s.Jobs, Bus: h.bus, Log: slog.New(slog.DiscardHandler), Now: h.now}
	// The users' tokens are their ids.
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if r.URL.Path != api.PathMe || user == "nobody" {
			api.WriteError(w, sx.NewError(sx.CodeUnauthenticated, "the access token is not valid"))
			return
		}
		api.Write(w, http.StatusOK, api.User{ID: user, Name: user})
	}))
	t.Cleanup(auth.Close)
	if h.auth, err = url.Parse(auth.URL); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) now() time.Time          { return time.Now().Add(time.Duration(h.ahead.Load())) }
func (h *house) advance(d time.Duration) { h.ahead.Add(int64(d)) }
func (h *house) loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// config is that of a notifier that may reach receivers of the test.
func (h *house) config() notifier.Config {
	return notifier.Config{
		Updater: h.updater, Bus: h.bus, NotificationSettings: h.store.NotificationSettings, Deliveries: h.store.Deliveries,
		AuthURL: h.auth, AuthTransport: http.DefaultTransport, Settings: notifier.Settings{Networks: h.loopback()},
		Log: slog.New(slog.DiscardHandler), Now: h.now, Reconcile: 10 * time.Millisecond, Registerer: h.reg,
	}
}

// server is a notifier that runs.
type server struct {
	*house
	url  string
	stop func() // and wait for its end
}

func (h *house) start(cfg notifier.Config) *server {
	h.t.Helper()
	service, err := notifier.New(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	front := httptest.NewServer(service.Handler())
	s := &server{house: h, url: front.URL}
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
				h.t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			h.t.Error("Run does not end")
		}
	}
	h.t.Cleanup(s.stop)
	return s
}

// bearer sends a user's token with each request.
type bearer string

func (b bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(out)
}

func (s *server) as(user string) *client.Client {
	s.t.Helper()
	c, err := client.New(s.url, &http.Client{Transport: bearer(user)})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *server) hook(user, url string) api.CreatedWebhook {
	s.t.Helper()
	made, err := s.as(user).AddWebhook(s.t.Context(), api.NewWebhook{URL: url})
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

// deliveries are the user's, the newest first.
func (s *server) deliveries(user string) []api.Delivery {
	s.t.Helper()
	list, err := s.as(user).Deliveries(s.t.Context(), 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Deliveries
}

// settled waits until the user's newest delivery is as it should be.
func (s *server) until(user, what string, so func(api.Delivery) bool) api.Delivery {
	s.t.Helper()
	var last []api.Delivery
	eventually(s.t, what, func() bool {
		last = s.deliveries(user)
		return len(last) > 0 && so(last[0])
	}, func() any { return last })
	return last[0]
}

func in(state sx.DeliveryState) func(api.Delivery) bool {
	return func(d api.Delivery) bool { return d.State == state }
}

func tried(n int) func(api.Delivery) bool {
	return func(d api.Delivery) bool { return d.Tries == n && d.LastError != "" }
}

// eventually asks again and again until it is so.
func eventually(t *testing.T, what string, so func() bool, seen func() any) {
	t.Helper()
	tick, enough := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-enough:
			t.Fatalf("in vain for %v: %s; last seen %+v", patience, what, seen())
		}
	}
}

// end makes a job of the owner's that has ended, and publishes its wake-up message.
func (h *house) end(owner, name string, failure *sx.Error) sx.Job {
	h.t.Helper()
	now := h.now()
	j := sx.NewJob(owner, sx.Video{Name: name, Size: 1000, SHA256: strings.Repeat("0", 64)}, sx.Options{}, now)
	j.Attempt, j.Notification = 1, sx.NotificationPending
	if j.State, j.Error = sx.StateFailed, failure; failure == nil {
		j.State, j.Track = sx.StateDone, &sx.Track{Size: 1_234_567, SHA256: strings.Repeat("1", 64), Duration: 61 * time.Second}
	}
	if err := h.store.Jobs.Create(h.t.Context(), j); err != nil {
		h.t.Fatal(err)
	}
	h.updater.Created(h.t.Context(), j)
	return j
}

// told waits until the job's owner is told.
func (h *house) told(j sx.Job) {
	h.t.Helper()
	eventually(h.t, "the job is told", func() bool {
		now, err := h.store.Jobs.Get(h.t.Context(), j.ID)
		return err == nil && now.Notification == sx.NotificationSent
	}, func() any { return j.ID })
}

// post is what a receiver got.
type post struct {
	id     string
	header http.Header
	body   []byte
	event  api.WebhookEvent
}

// receiver is a webhook's.
type receiver struct {
	t     *testing.T
	url   string
	posts chan post
}

// receive starts a receiver. answer may be nil for one that takes everything.
func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{t: t, posts: make(chan post, 100)}
	server := httptest.NewServer(r.handler(answer))
	t.Cleanup(server.Close)
	r.url = server.URL + "/hook"
	return r
}

func (r *receiver) next() post {
	r.t.Helper()
	select {
	case p := <-r.posts:
		return p
	case <-time.After(patience):
		r.t.Fatal("nothing is posted")
		return post{}
	}
}

// none checks that nothing more came.
func (r *receiver) none() {
	r.t.Helper()
	select {
	case p := <-r.posts:
		r.t.Errorf("posted once more: %s %s", p.id, p.body)
	default:
	}
}

func (r *receiver) handler(answer http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p := post{id: req.Header.Get("webhook-id"), header: req.Header.Clone()}
		body := http.MaxBytesReader(w, req.Body, 1<<20)
		var raw json.RawMessage
		if err := json.NewDecoder(body).Decode(&raw); err != nil || req.Method != http.MethodPost {
			r.t.Errorf("%s with a body that is no JSON: %v", req.Method, err)
		}
		p.body = raw
		if err := json.Unmarshal(raw, &p.event); err != nil {
			r.t.Errorf("the body is no event: %v", err)
		}
		r.posts <- p
		if answer != nil {
			answer(w, req)
		}
	})
}

// counted is the metric of tries.
func (h *house) counted(channel, outcome string) (n int) {
	h.t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "sx_deliveries_total" && m.GetLabel()[0].GetValue() == channel && m.GetLabel()[1].GetValue() == outcome {
				n = int(m.GetCounter().GetValue())
			}
		}
	}
	return n
}
