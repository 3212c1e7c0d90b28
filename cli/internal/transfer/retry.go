package transfer

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// The pauses between tries grow from the first (the default of
// Policy.FirstPause) to the longest. So that little is lost after the end of an outage, none
// is longer than a certain part of it, except that a second is always allowed.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 15 * time.Second
	outageParts  = 8
)

// connectTimeout replaces a longer retry timeout until the server has responded for
// the first time in this run: before that, a wrong address is more likely than a short
// outage.
const connectTimeout = 5 * time.Second

// Policy says how one run of sx retries. All its transfers share it.
type Policy struct {
	// Timeout is how long to retry without any progress.
	Timeout time.Duration
	// FirstPause is the pause before the first retry; 0 is 200 ms.
	FirstPause time.Duration

	reached atomic.Bool // the server has responded in this run
}

// Retry schedules the retries of one transfer. It is not safe for concurrent use.
type Retry struct {
	policy  *Policy
	report  WaitReporter
	since   time.Time // of the last progress
	backoff backoff.Backoff
}

// Start returns the Retry of a transfer, whose pauses are reported to report.
func (p *Policy) Start(report WaitReporter) *Retry {
	return &Retry{
		policy: p, report: report, since: time.Now(),
		backoff: backoff.Backoff{First: cmp.Or(p.FirstPause, firstPause)},
	}
}

// Responded records that the server has responded.
func (r *Retry) Responded() { r.policy.reached.Store(true) }

// Progress records that bytes were transferred, which restarts the timeout and the
// pauses.
func (r *Retry) Progress() {
	r.Responded()
	r.restart()
}

func (r *Retry) restart() {
	r.since = time.Now()
	r.backoff.Reset()
}

// Pause waits before the next retry if err is retryable, and otherwise returns err
// immediately. After the timeout it returns an *sx.Error of code timed_out, or err
// itself if the server has never responded in this run.
func (r *Retry) Pause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !Retryable(err) {
		return err
	}
	return r.Wait(ctx, err)
}

// Wait is Pause for an error that the caller knows to be retryable. It does not wait for a
// response that is not from a SoundExtract server unless that has responded before, nor
// longer than the timeout if the server asks for that.
func (r *Retry) Wait(ctx context.Context, err error) error {
	code := sx.CodeOf(err)
	if code != sx.CodeUnreachable && code != sx.CodeForeign {
		r.Responded()
	}
	timeout, reached := r.policy.Timeout, r.policy.reached.Load()
	if !reached {
		timeout = min(timeout, connectTimeout)
	}
	left, after := time.Until(r.since.Add(timeout)), retryAfter(err)
	switch {
	case !reached && (left <= 0 || code == sx.CodeForeign):
		return err
	case left <= 0:
		return errTimedOut(timeout, err)
	case after > left:
		return sx.AsError(err).WithHint("wait %s, as the server asks, then run the same command again to continue", term.FormatDuration(after))
	}
	r.backoff.Max = min(max(time.Since(r.since)/outageParts, time.Second), longestPause)
	pause := max(min(r.backoff.Next(), left), after)
	r.report.Wait(reason(err), time.Now().Add(pause))
	return backoff.Sleep(ctx, pause)
}

// Do calls fn until it succeeds, until it fails with an error that is not
// retryable, or until the timeout, which starts with the call.
func (r *Retry) Do(ctx context.Context, fn func(context.Context) error) error {
	r.restart()
	for {
		err := fn(ctx)
		if err == nil {
			r.Progress()
			return nil
		}
		if err := r.Pause(ctx, err); err != nil {
			return err
		}
	}
}
