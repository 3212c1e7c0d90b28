package format_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/sx"
)

// memory is a store's record.
type memory struct {
	mu     sync.Mutex
	record format.Record
	// between is called once between a Load and what follows it.
	between func()
	failing error
}

func (m *memory) Load(context.Context) (format.Record, error) {
	m.mu.Lock()
	r, between := m.record, m.between
	m.between = nil
	m.mu.Unlock()
	if between != nil {
		between()
	}
	return r, nil
}

func (m *memory) Replace(_ context.Context, r format.Record) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return false, m.failing
	}
	if m.record.Rev != r.Rev {
		return false, nil
	}
	r.Rev++
	m.record = r
	return true, nil
}

// stored returns the record once all heartbeats of the moment are stored.
func (m *memory) stored() format.Record {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = err
}

func (m *memory) onLoad(between func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.between = between
}

// process is a process's access to the record, which it may lose.
type process struct {
	*memory
	dead atomic.Bool
}

func (p *process) Load(ctx context.Context) (format.Record, error) {
	if p.dead.Load() {
		return format.Record{}, errors.New("unplugged")
	}
	return p.memory.Load(ctx)
}

func config(m format.Records, number int) format.Config {
	return format.Config{
		Records: m, Format: format.Format{Number: number}, Release: release(number), Program: "gateway", Where: "the database",
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

func (m *memory) join(t *testing.T, number int) (*format.Replica, error) {
	t.Helper()
	return format.Join(t.Context(), config(m, number))
}

func release(number int) string { return "1." + string(rune('0'+number)) + ".0" }

func (m *memory) mustJoin(t *testing.T, number int) *format.Replica {
	t.Helper()
	r, err := m.join(t, number)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func writes(t *testing.T, r *format.Replica, want int) {
	t.Helper()
	if got := r.Writes(); got != want {
		t.Errorf("format %d is written, want %d", got, want)
	}
}

func wantError(t *testing.T, err error, code sx.Code, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one of code %s", code)
		return
	}
	e := sx.AsError(err)
	if e.Code != code || e.Hint == "" {
		t.Errorf("got %v (%s, hint %q), want an error of code %s with a hint", err, e.Code, e.Hint, code)
	}
	for _, w := range words {
		if !strings.Contains(e.Message+"\n"+e.Hint, w) {
			t.Errorf("neither message nor hint contains %q: %s; %s", w, e.Message, e.Hint)
		}
	}
}

// TestFinalAfterADay upgrades two replicas one after the other.
func TestFinalAfterADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m memory
		old := []*format.Replica{m.mustJoin(t, 1), m.mustJoin(t, 1)}
		writes(t, old[0], 1)
		replaced := m.mustJoin(t, 2)
		old[0].Close()
		pass(t, 2*format.FinalAfter) // one of the previous release still runs
		writes(t, replaced, 1)
		other := m.mustJoin(t, 2)
		old[1].Close()

		pass(t, format.FinalAfter-time.Minute)
		writes(t, replaced, 1)
		s, err := other.Status(t.Context())
		if err != nil || s.Format != 1 || s.Next != 2 || len(s.Behind) > 0 || time.Until(s.FinalAt) > 2*time.Minute {
			t.Errorf("the status is %+v, %v", s, err)
		}
		rolledBack := m.mustJoin(t, 1) // still possible, and the day starts again
		pass(t, time.Hour)
		rolledBack.Close()
		pass(t, format.FinalAfter-time.Minute)
		writes(t, replaced, 1)

		pass(t, 2*time.Minute)
		writes(t, replaced, 2)
		writes(t, other, 2)
		before := m.stored().Rev
		_, err = m.join(t, 1)
		wantError(t, err, sx.CodeStoredFormat, "the database", "format 2", release(2), release(1), "install release")
		if m.stored().Rev != before {
			t.Error("the refused process has changed the record")
		}
		replaced.Close()
		other.Close()
		if n := len(m.stored().Processes); n > 0 {
			t.Errorf("%d processes remain in the record", n)
		}
	})
}

func TestFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m memory
		old, replica := m.mustJoin(t, 1), m.mustJoin(t, 2)
		defer replica.Close()
		_, err := replica.Finish(t.Context())
		wantError(t, err, sx.CodeConflict, "gateway on ", release(1))
		_, err = old.Finish(t.Context()) // a client may reach the previous release
		wantError(t, err, sx.CodeConflict, "gateway on ", release(1))
		writes(t, replica, 1)
		old.Close()

		unplugged := errors.New("unplugged")
		m.fail(unplugged)
		if _, err = replica.Finish(t.Context()); !errors.Is(err, unplugged) {
			t.Errorf("got %v, want %v", err, unplugged)
		}
		m.fail(nil)
		writes(t, replica, 1)
		// The previous release starts at the last moment: only one of both succeeds.
		m.onLoad(func() { old = m.mustJoin(t, 1) })
		_, err = replica.Finish(t.Context())
		wantError(t, err, sx.CodeConflict)
		old.Close()

		for range 2 { // the second time, nothing is left to do
			s, err := replica.Finish(t.Context())
			if err != nil || s.Format != 2 || s.Next != 2 {
				t.Errorf("the status is %+v, %v", s, err)
			}
		}
		writes(t, replica, 2)
	})
}

// TestPaused has a process that stops without leaving, is forgotten, and goes on after
// the upgrade is final.
func TestPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m memory
		paused := process{memory: &m}
		old, err := format.Join(t.Context(), config(&paused, 1))
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		replica := m.mustJoin(t, 2)
		defer replica.Close()
		paused.dead.Store(true)
		pass(t, format.Life-time.Minute)
		_, err = replica.Finish(t.Context())
		wantError(t, err, sx.CodeConflict, release(1), format.Life.String())
		pass(t, time.Minute)
		if _, err = replica.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(m.stored().Processes); n != 1 {
			t.Errorf("%d processes are in the record, want 1", n)
		}

		paused.dead.Store(false)
		start := time.Now()
		if err := waitRefused(t, old); time.Since(start) > format.Interval {
			t.Errorf("refused after %s: %v", time.Since(start), err)
		} else {
			wantError(t, err, sx.CodeStoredFormat, "format 2")
		}
	})
}

// TestClockAhead checks what a process with a clock that is ahead leaves: the upgrade is
// final a day after others notice, and a process that was killed is forgotten.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(t *testing.T, m *memory, ahead func(r format.Records, number int) *format.Replica){
		"beginning of the day": func(t *testing.T, m *memory, ahead func(r format.Records, number int) *format.Replica) {
			m.mustJoin(t, 1).Close()
			ahead(m, 2).Close()
		},
		"process": func(_ *testing.T, m *memory, ahead func(r format.Records, number int) *format.Replica) {
			killed := process{memory: m}
			r := ahead(&killed, 1)
			killed.dead.Store(true)
			r.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var m memory
				leave(t, &m, func(records format.Records, number int) *format.Replica {
					c := config(records, number)
					c.Now = func() time.Time { return time.Now().AddDate(1, 0, 0) }
					r, err := format.Join(t.Context(), c)
					if err != nil {
						t.Fatal(err)
					}
					return r
				})
				replica := m.mustJoin(t, 2)
				defer replica.Close()
				writes(t, replica, 1)
				pass(t, format.FinalAfter+time.Hour)
				writes(t, replica, 2)
			})
		})
	}
}

// pass lets the bubble's time pass.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	if err := backoff.Sleep(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func waitRefused(t *testing.T, r *format.Replica) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*format.Interval)
	defer cancel()
	return r.Refused(ctx)
}

// TestDocuments checks what a process does with documents, also with one that is of the
// next format before the process knows that it is written.
func TestDocuments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m memory
		old := m.mustJoin(t, 1)
		cfg := config(&m, 2)
		// The codec of format n marks documents with n.
		cfg.Format.Codec = func(n int) format.Codec {
			change := func(_ string, doc map[string]any) { doc["codec"] = n }
			return format.Codec{Decode: change, Encode: change}
		}
		replica, err := format.Join(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer replica.Close()
		decoded := func(mark, want int) {
			t.Helper()
			change, err := replica.Decoder(mark)
			if err != nil {
				t.Fatal(err)
			}
			wantCodec(t, change, want)
		}
		encoded := func(mark, want int) {
			t.Helper()
			got, change := replica.Encoder()
			if got != mark {
				t.Errorf("documents are stored with mark %d, want %d", got, mark)
			}
			wantCodec(t, change, want)
		}
		decoded(0, 1)
		decoded(1, 1)
		encoded(0, 1)
		decoded(2, 2)
		encoded(2, 2)
		decoded(0, 1)
		if _, err := replica.Decoder(3); sx.CodeOf(err) != sx.CodeStoredFormat {
			t.Errorf("got %v for a document of a later format", err)
		}

		if mark, change := old.Encoder(); mark != 0 || change != nil {
			t.Errorf("documents of format 1 are stored with mark %d, or changed", mark)
		}
		if change, err := old.Decoder(0); change != nil || err != nil {
			t.Errorf("documents of format 1 are changed: %v", err)
		}
		_, err = old.Decoder(2)
		wantError(t, err, sx.CodeStoredFormat, "format 2", "the database")
		wantError(t, waitRefused(t, old), sx.CodeStoredFormat, "format 2")
		old.Close()
	})
}

func wantCodec(t *testing.T, change format.Change, want int) {
	t.Helper()
	doc := map[string]any{}
	change("users", doc)
	if doc["codec"] != want {
		t.Errorf("the codec is that of format %v, want %d", doc["codec"], want)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		record format.Record
		words  []string // of the error; none if it is read
	}{
		{"its own", format.Record{Format: 3, Oldest: 3}, nil},
		{"the previous one", format.Record{Format: 2, Oldest: 2}, nil},
		{"both", format.Record{Format: 3, Oldest: 2}, nil},
		{"a later one", format.Record{Format: 4, Oldest: 3, Release: "1.4.0"}, []string{"format 4", "1.4.0", "1.3.0", "no format after 3"}},
		{"one of the far future", format.Record{Format: 40, Oldest: 39, Release: "9.0.0"}, []string{"format 40", "9.0.0"}},
		{"one that is too old", format.Record{Format: 1, Oldest: 1}, []string{"format 1", "no format before 2", "in between"}},
		{"the previous one, with documents that are older", format.Record{Format: 2, Oldest: 1}, []string{"format 1", "no format before 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.record.Rev = 1
			m := memory{record: c.record}
			r, err := m.join(t, 3)
			if err == nil {
				r.Close()
			}
			if len(c.words) > 0 {
				wantError(t, err, sx.CodeStoredFormat, c.words...)
				if m.record.Rev != 1 {
					t.Error("the record was changed")
				}
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}
