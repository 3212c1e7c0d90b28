package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/bus/membus"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// The users of all tests; their tokens are their names.
const (
	alice = "alice"
	bob   = "bob"
)

// fixture is a gateway with real storage and bus behind a real HTTP server.
type fixture struct {
	t       *testing.T
	dir     string
	store   store.Store
	bus     *membus.Bus
	updater *jobs.Updater
	clock   *testkit.Clock
	auth    *httptest.Server
	gw      *gateway.Service
	server  *httptest.Server
	client  *http.Client
	reg     *prometheus.Registry
	logs    *testkit.LogBuffer
}

// newFixture creates a fixture; change may adapt the gateway's configuration.
// The gateway's Run is started by run.
func newFixture(t *testing.T, change func(*gateway.Config)) *fixture {
	t.Helper()
	return newFixtureOn(t, openLocal(t), change)
}

func openLocal(t *testing.T) func(dir string) (store.Store, error) {
	return func(dir string) (store.Store, error) {
		return localstore.Open(t.Context(), localstore.Config{Dir: dir})
	}
}

// newFixtureOn is newFixture with a store that open opens in a directory.
func newFixtureOn(t *testing.T, open func(dir string) (store.Store, error), change func(*gateway.Config)) *fixture {
	t.Helper()
	f := &fixture{
		t: t, dir: t.TempDir(), bus: membus.New(), reg: prometheus.NewRegistry(), logs: &testkit.LogBuffer{},
		// The store uses the real clock for uploads.
		clock: testkit.NewClockAt(time.Now().Truncate(time.Millisecond)),
	}
	var err error
	if f.store, err = open(f.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.store.Close(); err != nil {
			t.Error(err)
		}
		if err := f.bus.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(f.logs.String())
		}
	})
	log := slog.New(slog.NewTextHandler(f.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.updater = &jobs.Updater{Jobs: f.store.Jobs, Bus: f.bus, Log: log, Now: f.clock.Now}
	f.auth = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(rw, `{"keys":[{"path":%q,"from":%q}]}`, r.URL.Path, r.Header.Get("X-Forwarded-For"))
	}))
	t.Cleanup(f.auth.Close)
	authURL, err := url.Parse(f.auth.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cfg := gateway.Config{
		Updater: f.updater, Jobs: f.store.Jobs, Videos: f.store.Videos, Tracks: f.store.Tracks, Conversions: f.store.Conversions, IdempotencyKeys: f.store.IdempotencyKeys, Feeds: f.store.Feeds, Tasks: f.store.Tasks, Limits: f.store.Limits, Erasures: f.store.Erasures, Bus: f.bus,
		AuthURL: authURL, AuthTransport: transport, Verify: f.verify,
		NotifierURL: authURL, NotifierTransport: transport, // both return the request that they received
		Log: log, Now: f.clock.Now, Registerer: f.reg,
	}
	if change != nil {
		change(&cfg)
	}
	f.gw = gateway.New(cfg)
	f.server = httptest.NewServer(httpserver.Observe(f.gw.Handler(), log, prometheus.NewRegistry()))
	t.Cleanup(f.server.Close)
	f.client = newClient(t)
	return f
}

// newClient returns a client that checks responses against the OpenAPI document
// and supports Expect: 100-continue.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{ExpectContinueTimeout: testkit.Timeout}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: documented(t, transport)}
}

func (f *fixture) verify(_ context.Context, raw string) (token.Claims, error) {
	if raw != alice && raw != bob {
		return token.Claims{}, sx.NewError(sx.CodeUnauthenticated, "the access token is not valid")
	}
	return token.Claims{UserID: raw, Expires: f.clock.Now().Add(token.Lifetime)}, nil
}

// run runs the gateway's background work until the test ends or stop is called.
func (f *fixture) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.gw.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Errorf("Run: %v", err)
		}
	})
	f.t.Cleanup(stop)
	return stop
}

// answer is a response whose body has been read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) errorBody(t *testing.T) api.Error {
	t.Helper()
	var body api.ErrorBody
	if err := json.Unmarshal(a.body, &body); err != nil {
		t.Fatalf("the error %q is not in the API's form: %v", a.body, err)
	}
	return body.Error
}

// send sends a request as the user ("" for none) with headers given in pairs.
func (f *fixture) send(user, method, path string, body io.Reader, headers ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, f.server.URL+path, body)
	if err != nil {
		return answer{}, err
	}
	if user != "" {
		req.Header.Set("Authorization", "Bearer "+user)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := f.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, raw}, err
}

// do is send for a request that must get a response.
func (f *fixture) do(user, method, path string, body io.Reader, headers ...string) answer {
	f.t.Helper()
	a, err := f.send(user, method, path, body, headers...)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// want fails the test unless the response has the status.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// wantCode fails the test unless the response is this error with its status.
func (a answer) wantCode(t *testing.T, code sx.Code) api.Error {
	t.Helper()
	a.want(t, code.Status())
	e := a.errorBody(t)
	if e.Code != code || e.Message == "" || e.Hint == "" {
		t.Fatalf("got %+v, want code %s with message and hint", e, code)
	}
	return e
}

func decode[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("decode %q: %v", a.body, err)
	}
	return v
}

// job reads the stored document.
func (f *fixture) job(id string) sx.Job {
	f.t.Helper()
	j, err := f.store.Jobs.Get(context.Background(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return j
}

// change changes a job as another service would.
func (f *fixture) change(id string, fn func(*sx.Job) error) sx.Job {
	f.t.Helper()
	j, err := f.updater.Update(context.Background(), id, fn)
	if err != nil {
		f.t.Fatal(err)
	}
	return j
}

// convert acts as the converter: the job gets the track and is done.
func (f *fixture) convert(id string, mp3s ...[]byte) sx.Job {
	f.t.Helper()
	ctx := context.Background()
	j := f.change(id, func(j *sx.Job) error { return j.Claim("worker", time.Minute, f.clock.Now()) })
	var tracks []sx.Track
	for i, mp3 := range mp3s {
		track := sx.Track{ID: sx.TrackID(id, j.Attempt, i+1), Name: sx.MP3Name(j.Sent.Name), Duration: 1500 * time.Millisecond}
		if len(mp3s) > 1 {
			track.Name = sx.PartName(j.Sent.Name, i+1, len(mp3s), "")
		}
		d, err := f.store.Tracks.Put(ctx, track.ID, "track.mp3", store.Head{}, bytes.NewReader(mp3))
		if err != nil {
			f.t.Fatal(err)
		}
		track.Size, track.SHA256 = d.Size, d.SHA256
		tracks = append(tracks, track)
	}
	return f.change(id, func(j *sx.Job) error { return j.Finish(j.Attempt, tracks, nil, f.clock.Now()) })
}

// videos lists what the video store holds.
func (f *fixture) videos() []string {
	f.t.Helper()
	var ids []string
	for cursor, more := "", true; more; more = cursor != "" {
		page, next, err := f.store.Videos.List(context.Background(), cursor, 100)
		if err != nil {
			f.t.Fatal(err)
		}
		ids, cursor = append(ids, page...), next
	}
	return ids
}

// metric reads a counter or gauge; label is "" or the value of its only label.
func (f *fixture) metric(name, label string) float64 {
	f.t.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if label == "" || m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// newFixtureLike starts another gateway on the same store and bus, as after a
// restart or as a replica.
func newFixtureLike(t *testing.T, f *fixture, change ...func(*gateway.Config)) *fixture {
	t.Helper()
	again := *f
	again.t, again.reg = t, prometheus.NewRegistry()
	log := f.updater.Log
	authURL, err := url.Parse(f.auth.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg := gateway.Config{
		Updater: f.updater, Jobs: f.store.Jobs, Videos: f.store.Videos, Tracks: f.store.Tracks, Conversions: f.store.Conversions, IdempotencyKeys: f.store.IdempotencyKeys, Feeds: f.store.Feeds, Tasks: f.store.Tasks, Limits: f.store.Limits, Erasures: f.store.Erasures, Bus: f.bus,
		AuthURL: authURL, AuthTransport: http.DefaultTransport, Verify: f.verify,
		NotifierURL: authURL, NotifierTransport: http.DefaultTransport,
		Log: log, Now: f.clock.Now, Registerer: again.reg,
	}
	for _, c := range change {
		c(&cfg)
	}
	again.gw = gateway.New(cfg)
	again.server = httptest.NewServer(httpserver.Observe(again.gw.Handler(), log, prometheus.NewRegistry()))
	t.Cleanup(again.server.Close)
	again.client = newClient(t)
	return &again
}
