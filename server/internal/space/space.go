// Package space keeps a reserve of free space on the volume of the store: new uploads
// are refused if they would use it, so that conversions can continue and jobs can be
// removed. It also says when the volume will be full.
package space

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Reserve returns how many bytes of a volume of the given size remain free.
type Reserve func(total int64) int64

// Fixed is a reserve that does not depend on the size of the volume.
func Fixed(bytes int64) Reserve { return func(int64) int64 { return bytes } }

// maxShare limits Share.
const maxShare = 20 << 30

// Share is 15 % of the volume, at most 20 GiB.
func Share(total int64) int64 { return min(total/100*15, maxShare) }

// LocalReserve is the default reserve of a server on one machine.
const LocalReserve = 2 << 30

// Config configures a Monitor. All fields except Registerer are required.
type Config struct {
	// Space is that of the store.
	Space   func(ctx context.Context) (store.Space, error)
	Tasks   store.Tasks
	Reserve Reserve

	Log        *slog.Logger
	Now        func() time.Time
	Registerer prometheus.Registerer // nil keeps the metrics unpublished
}

// Monitor knows how much of the volume is free.
type Monitor struct {
	cfg     Config
	metrics metrics

	// Used by Run: the stored history, and the Rev of the state that has it.
	history history
	rev     int64

	reading sync.Mutex // held while the store is asked for Low

	mu      sync.Mutex
	now     store.Space
	read    time.Time
	refused bool // the last upload was
}

// New returns a Monitor. Run must be running too.
func New(cfg Config) *Monitor {
	return &Monitor{cfg: cfg, metrics: newMetrics(cfg.Registerer)}
}

const (
	// interval is the time between two updates of the metrics.
	interval = 30 * time.Second
	// fresh is how long a reading is used for running uploads, and checkEvery is after how
	// many bytes each of them checks it.
	fresh      = time.Second
	checkEvery = 16 << 20
)

// Run measures how the use of the volume grows, and updates the metrics, until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	retry := periodic.Retry{Log: m.cfg.Log, Doing: "determining the free space", Every: interval}
	for retry.Sleep(ctx, m.measure(ctx)) == nil {
	}
}

func (m *Monitor) measure(ctx context.Context) error {
	s, err := m.update(ctx)
	if err != nil || s.Total == 0 {
		return err
	}
	h, err := m.record(ctx, s)
	if err != nil {
		return err
	}
	reserve := m.cfg.Reserve(s.Total)
	m.metrics.set(s, reserve, h.full(m.cfg.Now(), s, reserve))
	return nil
}

// update asks the store.
func (m *Monitor) update(ctx context.Context) (store.Space, error) {
	s, err := m.cfg.Space(ctx)
	if err != nil {
		return s, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now, m.read = s, m.cfg.Now()
	return s, nil
}

// Admit returns an *sx.Error of code storage_full if less than the reserve would stay
// free after a new upload of size bytes. A store that does not report its free space is
// assumed to have enough.
func (m *Monitor) Admit(ctx context.Context, size int64) error {
	s, err := m.update(ctx)
	if err != nil || s.Total == 0 {
		return err
	}
	reserve := m.cfg.Reserve(s.Total)
	// The client chooses the size, so this must not overflow.
	fits := size <= s.Free-reserve
	m.note(ctx, fits, s, reserve)
	if fits {
		return nil
	}
	return sx.NewError(sx.CodeStorageFull, "not enough space on the server for a file of %s: %s is free, of which %s is kept in reserve",
		sx.FormatSize(size), sx.FormatSize(s.Free), sx.FormatSize(reserve)).
		WithHint("remove jobs that are no longer needed, or ask the operator of the server for more space")
}

// note logs the first refused upload, and the first one that is admitted again.
func (m *Monitor) note(ctx context.Context, fits bool, s store.Space, reserve int64) {
	m.mu.Lock()
	changed := m.refused == fits
	m.refused = !fits
	m.mu.Unlock()
	switch {
	case changed && fits:
		m.cfg.Log.InfoContext(ctx, "new uploads are admitted again", "free", s.Free, "reserve", reserve)
	case changed:
		m.cfg.Log.WarnContext(ctx, "new uploads are refused: the storage is nearly full", "free", s.Free, "reserve", reserve)
	}
}

// Low returns an *sx.Error of code storage_full once half of the reserve is in use. The
// uploads that were admitted at the same time may together need more than what was free:
// the other half is for conversions.
func (m *Monitor) Low(ctx context.Context) error {
	m.mu.Lock()
	s, old := m.now, m.cfg.Now().Sub(m.read) > fresh
	m.mu.Unlock()
	if old && m.reading.TryLock() {
		// An error is ignored: it is one of the store, which the caller will encounter
		// itself.
		if read, err := m.update(ctx); err == nil {
			s = read
		}
		m.reading.Unlock()
	}
	if s.Total == 0 || s.Free >= m.cfg.Reserve(s.Total)/2 {
		return nil
	}
	return sx.NewError(sx.CodeStorageFull, "the server's storage is nearly full: only %s is free", sx.FormatSize(s.Free))
}

// Reader reads src until Low returns an error.
func (m *Monitor) Reader(ctx context.Context, src io.Reader) *Reader {
	return &Reader{ctx: ctx, monitor: m, src: src}
}

// Reader is the source of an upload, which ends when the storage is nearly full.
type Reader struct {
	ctx     context.Context //nolint:containedctx // that of the one Append that reads it
	monitor *Monitor
	src     io.Reader
	unseen  int // bytes until the next check
	err     error
}

// Err returns the error of Low that ended the source, or nil.
func (r *Reader) Err() error { return r.err }

func (r *Reader) Read(p []byte) (int, error) {
	if r.unseen <= 0 && r.err == nil {
		r.unseen, r.err = checkEvery, r.monitor.Low(r.ctx)
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.src.Read(p)
	r.unseen -= n
	return n, err //nolint:wrapcheck // that of the source
}
