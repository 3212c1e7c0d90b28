package format

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// Records keeps the record in a store.
type Records interface {
	// Load returns the record; one with Rev 0 if there is none.
	Load(ctx context.Context) (Record, error)
	// Replace stores the record with Rev+1 if the stored one still has Rev, and reports
	// whether it had.
	Replace(ctx context.Context, r Record) (bool, error)
}

// Config is the configuration of a Replica.
type Config struct {
	Records Records
	Format  Format // that of this release if Number is 0
	Release string // "" is this release
	Program string
	Where   string // where the data are, for errors: a path or "the database NAME"
	// Alone says that no other process can have the data open. It then needs no heartbeats.
	Alone bool
	Log   *slog.Logger
	Now   func() time.Time
}

// Replica is this process among those that use the stored data.
type Replica struct {
	cfg    Config
	id     string
	writes atomic.Int64
	oldest int

	refusal sync.Once
	refused chan struct{} // closed when err is set
	err     error
	stop    context.CancelFunc
	stopped chan struct{}
}

// Join announces the process and starts its heartbeats. It returns an *sx.Error of code
// stored_format, and changes nothing, if the release cannot read the data.
func Join(ctx context.Context, cfg Config) (*Replica, error) {
	if cfg.Format.Number == 0 {
		cfg.Format = Current()
	}
	cfg.Release = cmp.Or(cfg.Release, sx.Version)
	r := &Replica{cfg: cfg, id: sx.NewID(), refused: make(chan struct{}), stopped: make(chan struct{})}
	if cfg.Alone {
		r.id = "" // so that the next start changes nothing
	}
	stored, err := r.announce(ctx, nil)
	if err != nil {
		return nil, err
	}
	r.oldest = stored.Oldest
	if s := stored.status(); s.Next > s.Format {
		r.cfg.Log.InfoContext(ctx, "the upgrade is not final; the previous release can still be used",
			"format", s.Format, "next", s.Next, "final_at", s.FinalAt, "previous_processes", len(s.Behind))
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	go r.run(running)
	return r, nil
}

// run sends heartbeats until ctx ends or the data can no longer be read.
func (r *Replica) run(ctx context.Context) {
	defer close(r.stopped)
	defer r.leave(context.WithoutCancel(ctx))
	failed := false
	for backoff.Sleep(ctx, Interval) == nil {
		_, err := r.announce(ctx, nil)
		switch {
		case ctx.Err() != nil, sx.CodeOf(err) == sx.CodeStoredFormat:
			return
		case err != nil && !failed:
			r.cfg.Log.WarnContext(ctx, "heartbeat failed; retrying", "error", err)
		}
		failed = err != nil
	}
}

// announce records that the process runs, and applies change to the record.
func (r *Replica) announce(ctx context.Context, change func(Record) (Record, error)) (Record, error) {
	for {
		before, err := r.cfg.Records.Load(ctx)
		if err != nil {
			return before, err
		}
		now := r.cfg.Now()
		after, err := before.join(r.process(now), now, r.cfg.Where)
		r.refuse(err)
		if err == nil && change != nil {
			after, err = change(after)
		}
		if err != nil {
			return after, err
		}
		done := before.equal(after)
		if !done {
			if done, err = r.cfg.Records.Replace(ctx, after); err != nil {
				return after, err
			}
		}
		if done {
			if before.Rev > 0 && after.Format > before.Format {
				r.cfg.Log.InfoContext(ctx, "the upgrade is final; the previous release can no longer be used", "format", after.Format)
			}
			r.noticeFormat(after.Format)
			return after, nil
		}
	}
}

func (r *Replica) process(now time.Time) Process {
	host, _ := os.Hostname()
	p := Process{
		ID: r.id, Name: sx.CleanLine(r.cfg.Program+" on "+host, maxLabel), Release: sx.CleanLine(r.cfg.Release, maxLabel),
		Reads: r.cfg.Format.Number, Seen: now,
	}
	if r.cfg.Alone {
		p.Seen = time.Time{}
	}
	return p
}

// noticeFormat notices that documents may have the given format, even before the next
// heartbeat, so that no document is replaced by one in an older format, which might lack
// some of its fields.
func (r *Replica) noticeFormat(n int) {
	for {
		old := r.writes.Load()
		if int64(n) <= old || r.writes.CompareAndSwap(old, int64(n)) {
			return
		}
	}
}

// Writes returns the format in which documents are stored.
func (r *Replica) Writes() int { return int(r.writes.Load()) }

// Decoder returns how documents in format n are translated, nil if they need not be; n
// is 0 for a document that has no mark. It returns an *sx.Error of code stored_format if
// the release cannot read format n.
func (r *Replica) Decoder(n int) (Change, error) {
	if n == 0 {
		n = r.oldest
	}
	own := r.cfg.Format.Number
	if n > own || n < own-1 {
		err := sx.NewError(sx.CodeStoredFormat, "a document in %s has format %d; this release, %s, reads formats %d to %d",
			r.cfg.Where, n, r.cfg.Release, max(own-1, 1), own)
		r.refuse(err)
		return nil, err
	}
	r.noticeFormat(n)
	return r.cfg.Format.codec(n).Decode, nil
}

// Encoder returns how documents are translated before they are stored, nil if they need
// not be, and the mark that they get, 0 for none.
func (r *Replica) Encoder() (mark int, change Change) {
	n := r.Writes()
	if mark = n; mark == 1 {
		mark = 0
	}
	return mark, r.cfg.Format.codec(n).Encode
}

// Status returns which formats are read and written.
func (r *Replica) Status(ctx context.Context) (Status, error) {
	after, err := r.announce(ctx, nil)
	return after.status(), err
}

// Finish makes the upgrade final: from now on the newest format that all processes can
// read is written, and the previous release can no longer be used. While some process
// cannot read it, Finish returns an *sx.Error of code conflict.
func (r *Replica) Finish(ctx context.Context) (Status, error) {
	after, err := r.announce(ctx, func(rec Record) (Record, error) {
		s := rec.status()
		switch {
		case len(s.Behind) > 0:
			return rec, s.conflict()
		case s.Next == s.Format:
			return rec, nil
		}
		return rec.finish(r.process(r.cfg.Now())), nil
	})
	return after.status(), err
}

// refuse ends the use of the data if err says that they cannot be read.
func (r *Replica) refuse(err error) {
	if sx.CodeOf(err) == sx.CodeStoredFormat {
		r.refusal.Do(func() {
			r.err = err
			close(r.refused)
		})
	}
}

// Refused waits until the data can no longer be read, because the upgrade to the next
// release became final, and returns why; nil once ctx ends.
func (r *Replica) Refused(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-r.refused:
		return r.err
	}
}

// leaveTimeout bounds Close. A process that could not leave is forgotten after Life.
const leaveTimeout = time.Second

// Close ends the heartbeats and takes the process out of the record.
func (r *Replica) Close() {
	r.stop()
	<-r.stopped
}

func (r *Replica) leave(ctx context.Context) {
	if r.cfg.Alone {
		return // the next process that opens the data replaces it
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	for {
		stored, err := r.cfg.Records.Load(ctx)
		if err != nil || stored.Rev == 0 {
			return
		}
		if done, err := r.cfg.Records.Replace(ctx, stored.leave(r.id)); done || err != nil {
			return
		}
	}
}
