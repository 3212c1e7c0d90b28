package space_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/space"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const gib = 1 << 30

func TestShare(t *testing.T) {
	t.Parallel()
	for total, want := range map[int64]int64{0: 0, 10 * gib: 10 * gib / 100 * 15, 100 * gib: 15 * gib, 4000 * gib: 20 * gib} {
		if got := space.Share(total); got != want {
			t.Errorf("of %d: %d, want %d", total, got, want)
		}
	}
}

// volume is a store of which the test decides how much is free.
type volume struct {
	store.Space
	free func() int64 // if it changes by itself
	err  error
}

func (v *volume) space(context.Context) (store.Space, error) {
	s := v.Space
	if v.free != nil {
		s.Free = v.free()
	}
	return s, v.err
}

func monitor(t *testing.T, v *volume, tasks store.Tasks) (*space.Monitor, *prometheus.Registry) {
	t.Helper()
	r := prometheus.NewRegistry()
	return space.New(space.Config{
		Space: v.space, Tasks: tasks, Reserve: space.Fixed(2 * gib),
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Registerer: r,
	}), r
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	v := &volume{Space: store.Space{Total: 100 * gib, Free: 5 * gib}}
	m, _ := monitor(t, v, nil)
	for size, want := range map[int64]sx.Code{
		1: "", 3 * gib: "", 3*gib + 1: sx.CodeStorageFull, math.MaxInt64: sx.CodeStorageFull,
	} {
		if err := m.Admit(t.Context(), size); sx.CodeOf(err) != want {
			t.Errorf("%d bytes: %v, want code %q", size, err, want)
		}
	}
	v.Free = gib // less than the reserve
	err := m.Admit(t.Context(), 1)
	if sx.CodeOf(err) != sx.CodeStorageFull || !strings.Contains(err.Error(), "1.1 GB is free, of which 2.1 GB") || sx.AsError(err).Hint == "" {
		t.Errorf("below the reserve: %v", err)
	}
	v.Space = store.Space{} // unknown
	if err := m.Admit(t.Context(), math.MaxInt64); err != nil {
		t.Errorf("the free space is unknown: %v", err)
	}
	v.err = errors.New("no answer")
	if err := m.Admit(t.Context(), 1); !errors.Is(err, v.err) {
		t.Errorf("the store does not answer: %v", err)
	}
}

// TestReader lets the volume fill up while an upload is running.
func TestReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := &volume{Space: store.Space{Total: 100 * gib, Free: gib}}
		m, _ := monitor(t, v, nil)
		data := bytes.Repeat([]byte("video"), 8<<20)
		src := m.Reader(t.Context(), bytes.NewReader(data))
		n, err := io.CopyN(io.Discard, src, 1000)
		if err != nil || n != 1000 {
			t.Fatalf("half of the reserve is free: %d, %v", n, err)
		}
		v.Free--
		<-time.After(2 * time.Second)
		n, err = io.Copy(io.Discard, src)
		if sx.CodeOf(err) != sx.CodeStorageFull || src.Err() == nil || n > 17<<20 {
			t.Errorf("less is free: %d more bytes, %v", n, err)
		}
		v.Free++
		<-time.After(2 * time.Second)
		if got, err := io.ReadAll(m.Reader(t.Context(), bytes.NewReader(data))); err != nil || !bytes.Equal(got, data) {
			t.Errorf("there is room again: %d bytes, %v", len(got), err)
		}
	})
}

// memory has the state of one task.
type memory struct{ state store.Task }

func (m *memory) Get(context.Context, string) (store.Task, error) { return m.state, nil }

func (m *memory) Replace(_ context.Context, t store.Task) error {
	if t.Rev != m.state.Rev {
		return store.ErrStale
	}
	t.Rev++
	m.state = t
	return nil
}

// gauge returns the value of a metric.
func gauge(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "sx_storage_"+name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestForecast lets a volume of 1000 GiB, of which 502 GiB is free, fill up for two
// weeks, with a restart of the process in between.
func TestForecast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		used func(day float64) float64 // GiB
		want float64                   // seconds; the reserve is 2 GiB
	}{
		{"10 GiB a day", func(day float64) float64 { return 10 * day }, (500 - 140) / 10 * 86400},
		{"nothing", func(float64) float64 { return 5 }, math.Inf(1)},
		{"shrinks", func(day float64) float64 { return 100 - day }, math.Inf(1)},
		{"slowly at first, 20 GiB on the last day", func(day float64) float64 { return day + 20*max(0, day-13) }, (500 - 34.) / 21 * 86400},
		{"nothing on the last day", func(day float64) float64 { return 7 * min(day, 13) }, (500 - 91.) / 6 * 86400},
		{"reached", func(day float64) float64 { return 40 * day }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tasks := &memory{}
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				now := func() float64 { return time.Since(start).Hours() / 24 }
				v := &volume{Space: store.Space{Total: 1000 * gib}, free: func() int64 { return int64((502 - c.used(now())) * gib) }}
				run := func(days float64) *prometheus.Registry {
					m, r := monitor(t, v, tasks)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					done := make(chan struct{})
					go func() { defer close(done); m.Run(ctx) }()
					<-time.After(time.Duration(days * 24 * float64(time.Hour)))
					cancel()
					<-done
					return r
				}
				if got := gauge(t, run(0.01), "full_seconds"); !math.IsNaN(got) {
					t.Errorf("after 15 minutes: %v, want NaN", got)
				}
				run(7)
				got := gauge(t, run(7), "full_seconds")
				if got != c.want && math.Abs(got-c.want) > c.want/50 {
					t.Errorf("full in %v s, want %v", got, c.want)
				}
			})
		})
	}
}

// TestClockAhead checks that the history goes on after a process with a wrong clock has
// recorded a point.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	tasks := &memory{}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		v := &volume{Space: store.Space{Total: 1000 * gib}, free: func() int64 { return int64(500*gib) - int64(time.Since(start).Hours()/24*10*gib) }}
		run := func(days int) *prometheus.Registry {
			m, r := monitor(t, v, tasks)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan struct{})
			go func() { defer close(done); m.Run(ctx) }()
			<-time.After(time.Duration(days) * 24 * time.Hour)
			cancel()
			<-done
			return r
		}
		run(1)
		tasks.state.Next = time.Now().AddDate(1, 0, 0)
		if got := gauge(t, run(10), "full_seconds"); math.IsNaN(got) || math.IsInf(got, 0) {
			t.Errorf("full in %v s", got)
		}
	})
}
