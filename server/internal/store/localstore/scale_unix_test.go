//go:build unix

package localstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/bus/membus"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/standalone"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// scaleVariable holds the numbers of jobs, separated by spaces, that TestScale stores.
const scaleVariable = "SX_BENCH_SCALE"

// idleVariable holds for how long TestScale measures the idle server, a minute if it is
// not set.
const idleVariable = "SX_BENCH_IDLE"

const (
	scaleOwners = 10_000
	// scaleRequests is how many requests of a kind are measured.
	scaleRequests = 50
)

// TestScale prints measurements of the store and the services with 10,000 to a million
// jobs of 10,000 owners; a tenth of the jobs wait. It checks only that it ends: make
// bench-scale runs it.
func TestScale(t *testing.T) {
	sizes := strings.Fields(os.Getenv(scaleVariable))
	if len(sizes) == 0 {
		t.Skipf("%s is not set", scaleVariable)
	}
	testkit.Need(t, "ffmpeg")
	idle := time.Minute
	if v := os.Getenv(idleVariable); v != "" {
		idle = must(time.ParseDuration(v))(t)
	}
	t.Logf("%9s %7s %6s %9s %8s %8s %8s %8s %8s %9s %9s", "jobs", "open", "db",
		"idle CPU", "create", "list", "state", "name", "show", "next job", "reads/min")
	for _, size := range sizes {
		n := must(strconv.Atoi(size))(t)
		measureScale(t, n, idle)
	}
}

func measureScale(t *testing.T, n int, idle time.Duration) {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir)
	f := newScale(n)
	if err := errors.Join(localstore.StoreAll(t.Context(), s, f.all()), f.storeTracks(filepath.Join(dir, "tracks")), s.Close()); err != nil {
		t.Fatal(err)
	}
	cpu := idleCPU(t, dir, idle)

	start := time.Now()
	s = open(t, dir)
	opened := time.Since(start)
	defer func() { _ = s.Close() }()
	info := must(os.Stat(filepath.Join(dir, "sx.db")))(t)
	read := f.periodicReads(t, s, idle)
	g := f.gateway(s)
	get := func(query string) time.Duration { return f.median(t, g, http.MethodGet, api.PathJobs+query) }
	list, state, name := get("?limit=50"), get("?state=failed&limit=50"), get("?name=no+such+name")
	show := f.median(t, g, http.MethodGet, "/v1/jobs/"+f.job(7).ID)
	create := f.median(t, g, http.MethodPost, api.PathUploads)

	if err := localstore.StoreAll(t.Context(), s, f.resumed()); err != nil {
		t.Fatal(err)
	}
	next := f.claims(t, s)
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2fms", float64(d.Microseconds())/1000) }
	t.Logf("%9d %6.1fs %5dM %8.2f%% %8s %8s %8s %8s %8s %9s %9d", n, opened.Seconds(), info.Size()>>20,
		100*cpu, ms(create), ms(list), ms(state), ms(name), ms(show), ms(next), read)
}

// scale has the jobs of a measurement.
type scale struct {
	n     int
	now   time.Time
	owner string // a prefix of the IDs of owners
	id    string // and of those of jobs
}

func newScale(n int) *scale {
	return &scale{n: n, now: time.Now(), owner: "owner", id: strings.ToLower(rand.Text()[:4])}
}

// job returns job i: of each ten, one pauses until tomorrow or is being uploaded, one
// has failed and the others are done.
func (f *scale) job(i int) sx.Job {
	created := f.now.Add(-time.Duration(f.n-i) * time.Second)
	j := sx.NewJob(f.ownerOf(i), sx.NewUpload{
		Source: sx.Source{Name: fmt.Sprintf("lecture %d.mp4", i), Identity: sx.WholeFile}, Size: 1 << 20,
	}, created)
	// The first characters spread the files over the directories, as those of real IDs.
	j.ID = fmt.Sprintf("%s%s%08d", spread(i), f.id, i)
	j.Sent.SHA256 = strings.Repeat("ab", 32)
	switch {
	case i%20 == 0: // an upload that nobody continues
		j.Sent.SHA256, j.Check = "", f.now.Add(24*time.Hour)
	case i%20 == 10:
		j.State, j.NotBefore = sx.StateQueued, f.now.Add(24*time.Hour)
	case i%10 == 5:
		j.State, j.Notification, j.Error = sx.StateFailed, sx.NotificationSent, sx.NewError(sx.CodeNoAudio, "silent")
	default:
		j.State, j.Notification, j.Attempt = sx.StateDone, sx.NotificationSent, 1
		j.Tracks = []sx.Track{{Number: 1, ID: sx.TrackID(j.ID, 1, 1), Name: "lecture.mp3", Size: 1 << 18, SHA256: strings.Repeat("cd", 32)}}
	}
	return j
}

func spread(i int) string {
	const digits = "abcdefghijklmnopqrstuvwxyz234567"
	return string([]byte{digits[i%32], digits[i/32%32]})
}

// ownerOf gives half of the jobs to one owner.
func (f *scale) ownerOf(i int) string {
	if i%2 == 1 {
		return f.owner
	}
	return fmt.Sprintf("%s%d", f.owner, i/2%scaleOwners)
}

func (f *scale) all() iter.Seq[sx.Job] {
	return func(yield func(sx.Job) bool) {
		for i := range f.n {
			if !yield(f.job(i)) {
				return
			}
		}
	}
}

// resumed are the jobs that pause, which wait now.
func (f *scale) resumed() iter.Seq[sx.Job] {
	return func(yield func(sx.Job) bool) {
		for i := 10; i < f.n; i += 20 {
			j := f.job(i)
			j.NotBefore, j.Rev = time.Time{}, 2
			if !yield(j) {
				return
			}
		}
	}
}

// storeTracks creates empty tracks, for the sweep.
func (f *scale) storeTracks(dir string) error {
	for j := range f.all() {
		for _, track := range j.Tracks {
			path := filepath.Join(dir, track.ID[:2], track.ID)
			err := os.WriteFile(path, nil, 0o600)
			if errors.Is(err, os.ErrNotExist) {
				err = errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// idleCPU runs the server and returns which part of a core it used, from ten seconds
// after its start on.
func idleCPU(t *testing.T, dir string, idle time.Duration) float64 {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- standalone.Run(ctx, standalone.Config{
			Addr: "127.0.0.1:0", Data: dir, Load: converter.Load{Encoders: 1, Conversions: 2},
			Registration: auth.RegistrationInvitation, Log: slog.New(slog.DiscardHandler),
		})
	}()
	testkit.Eventually(t, "the server", func() bool {
		_, err := os.Stat(filepath.Join(dir, api.InstanceFile))
		return err == nil
	})
	const warmUp = 10 * time.Second
	<-time.NewTimer(min(warmUp, idle)).C
	before, start := cpuTime(t), time.Now()
	<-time.NewTimer(idle).C
	used, took := cpuTime(t)-before, time.Since(start)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return used.Seconds() / took.Seconds()
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// counted counts the records that periodic tasks read.
type counted struct {
	store.Jobs
	n *atomic.Int64
}

func (c counted) Due(ctx context.Context, a sx.Action, now time.Time, limit int) ([]sx.Job, error) {
	list, err := c.Jobs.Due(ctx, a, now, limit)
	c.n.Add(int64(len(list)))
	return list, err
}

func (c counted) Waiting(ctx context.Context, limit int) ([]sx.Job, error) {
	list, err := c.Jobs.Waiting(ctx, limit)
	c.n.Add(int64(len(list)))
	return list, err
}

func (c counted) List(ctx context.Context, f store.JobFilter) ([]sx.Job, *store.Cursor, error) {
	list, next, err := c.Jobs.List(ctx, f)
	c.n.Add(int64(len(list)))
	return list, next, err
}

func (c counted) Get(ctx context.Context, id string) (sx.Job, error) {
	c.n.Add(1)
	return c.Jobs.Get(ctx, id)
}

type countedVideos struct {
	store.Videos
	n *atomic.Int64
}

func (c countedVideos) List(ctx context.Context, cursor string, limit int) ([]string, string, error) {
	ids, next, err := c.Videos.List(ctx, cursor, limit)
	c.n.Add(int64(len(ids)))
	return ids, next, err
}

type countedTracks struct {
	store.Tracks
	n *atomic.Int64
}

func (c countedTracks) List(ctx context.Context, cursor string, limit int) ([]string, string, error) {
	ids, next, err := c.Tracks.List(ctx, cursor, limit)
	c.n.Add(int64(len(ids)))
	return ids, next, err
}

// periodicReads runs gateway, converter and notifier without requests, and returns how
// many records they read in a minute.
func (f *scale) periodicReads(t *testing.T, s store.Store, idle time.Duration) int64 {
	t.Helper()
	var n atomic.Int64
	s.Jobs, s.Videos, s.Tracks = counted{s.Jobs, &n}, countedVideos{s.Videos, &n}, countedTracks{s.Tracks, &n}
	messages, log := membus.New(), slog.New(slog.DiscardHandler)
	updater := &jobs.Updater{Jobs: s.Jobs, Bus: messages, Log: log, Now: time.Now}
	notify, err := notifier.New(notifier.Config{
		Updater: updater, Bus: messages, NotificationSettings: s.NotificationSettings, Deliveries: s.Deliveries, Counters: s.Counters, Erasures: s.Erasures, Tasks: s.Tasks,
		Log: log, Now: time.Now, ReconcileInterval: 5 * time.Second, Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	convert := converter.New(converter.Config{
		Updater: updater, Bus: messages, Videos: s.Videos, Tracks: s.Tracks, Tasks: s.Tasks, Limits: s.Limits, Conversions: 2, Log: log, Now: time.Now,
	})
	ctx, cancel := context.WithTimeout(t.Context(), idle)
	defer cancel()
	var group sync.WaitGroup
	for _, run := range []func(context.Context) error{f.gateway(s).Run, convert.Run, notify.Run} {
		group.Go(func() { _ = run(ctx) })
	}
	group.Wait()
	return int64(float64(n.Load()) * time.Minute.Seconds() / idle.Seconds())
}

// gateway returns a gateway for which all requests are those of the owner of half of the
// jobs.
func (f *scale) gateway(s store.Store) *gateway.Service {
	messages, log := membus.New(), slog.New(slog.DiscardHandler)
	nowhere := &url.URL{Scheme: "http", Host: "nowhere"}
	return gateway.New(gateway.Config{
		Updater: &jobs.Updater{Jobs: s.Jobs, Bus: messages, Log: log, Now: time.Now},
		Jobs:    s.Jobs, Videos: s.Videos, Tracks: s.Tracks, Conversions: s.Conversions, IdempotencyKeys: s.IdempotencyKeys, Feeds: s.Feeds, Tasks: s.Tasks, Limits: s.Limits, Erasures: s.Erasures, Bus: messages,
		AuthURL: nowhere, AuthTransport: http.DefaultTransport, NotifierURL: nowhere, NotifierTransport: http.DefaultTransport,
		Verify:   func(context.Context, string) (token.Claims, error) { return token.Claims{UserID: f.owner}, nil },
		Settings: gateway.Settings{Quota: sx.Quota{Bytes: 1 << 60}}, Log: log, Now: time.Now,
	})
}

// median returns the median time of some requests.
func (f *scale) median(t *testing.T, g *gateway.Service, method, path string) time.Duration {
	t.Helper()
	var times []time.Duration
	for range scaleRequests {
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		r.Header.Set("Authorization", "Bearer token")
		if method == http.MethodPost {
			r.Header.Set("Tus-Resumable", "1.0.0")
			r.Header.Set("Upload-Length", "1000")
			r.Header.Set("Upload-Metadata", "filename YS5tcDQ=")
		}
		w := httptest.NewRecorder()
		start := time.Now()
		g.Handler().ServeHTTP(w, r)
		times = append(times, time.Since(start))
		if w.Code >= http.StatusBadRequest {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// claims returns the median time to find the next job and to claim it.
func (f *scale) claims(t *testing.T, s store.Store) time.Duration {
	t.Helper()
	var times []time.Duration
	for range scaleRequests {
		start := time.Now()
		id, err := s.Jobs.NextWaiting(t.Context(), store.Turn{})
		if err == nil {
			_, err = store.Update(t.Context(), id, s.Jobs.Get, s.Jobs.Replace, func(j *sx.Job) error {
				return j.Claim("worker", time.Hour, time.Now())
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times[len(times)/2]
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
