package converter

import (
	"context"
	"io"
	"math/rand/v2"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// reserveStep is at most how many bytes more than needed a reservation has, so that the job
// is changed rarely: the size of 17 minutes at 128 kbit/s. Near the quota it is a share of
// what is left, so that simultaneous conversions do not keep it from each other.
const (
	reserveStep  = 16 << 20
	reserveShare = 8
)

// A refused reservation is tried again, because something else may use the quota for a
// moment: an upload that is being refused, or another conversion that will not fit. How
// long is random, so that not all conversions that do not fit together give up.
const (
	reserveRetry   = 250 * time.Millisecond
	minReserveWait = 2 * time.Second
	maxReserveWait = 10 * time.Second
)

// reservation charges what an attempt produces to its owner before it is stored. The size
// is not known before the end, and a file may state a false duration, so the reservation
// grows with what is produced. It is part of the job while the job is running: however
// the attempt ends, the reservation is replaced by the size of the MP3 or released.
type reservation struct {
	s        *Service
	job      sx.Job
	quota    int64 // of the owner; 0 is no limit
	reserved int64
}

// reserve makes the first reservation of an attempt. It fails if the owner has no storage
// left.
func (s *Service) reserve(ctx context.Context, job sx.Job) (*reservation, error) {
	own, err := s.Limits.Get(ctx, job.Owner)
	if err != nil {
		return nil, err
	}
	server, err := s.Limits.Get(ctx, sx.ServerLimits)
	if err != nil {
		return nil, err
	}
	r := &reservation{s: s, job: job, quota: own.Or(server).Quota().Bytes}
	return r, r.atLeast(ctx, 1)
}

// atLeast reserves at least n bytes, or returns an Error of code quota_exceeded. It must
// not be called by several goroutines at the same time.
func (r *reservation) atLeast(ctx context.Context, n int64) error {
	if r.quota == 0 || n <= r.reserved {
		return nil
	}
	end := time.Now().Add(minReserveWait + rand.N(maxReserveWait-minReserveWait))
	for {
		left, err := r.try(ctx, n)
		if err != nil || left >= n {
			return err
		}
		if time.Now().After(end) {
			return sx.NewError(sx.CodeQuotaExceeded, "the MP3 does not fit into the %s left of the account's quota of %s", sx.FormatSize(max(left, 0)), sx.FormatSize(r.quota)).
				WithHint("remove jobs that are no longer needed, then retry this one")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(reserveRetry + rand.N(reserveRetry)):
		}
	}
}

// try reserves at least n bytes if the quota has room for them, and returns how many bytes
// of it this attempt may have.
func (r *reservation) try(ctx context.Context, n int64) (left int64, err error) {
	if left, err = r.left(ctx); err != nil || left < n {
		return left, err
	}
	before := r.reserved
	if err := r.set(ctx, n+min(reserveStep, (left-n)/reserveShare)); err != nil {
		return 0, err
	}
	// Others may have reserved at the same time. All of them give it back, then try again.
	if left, err = r.left(ctx); err != nil || left >= r.reserved {
		return left, err
	}
	return min(left, n-1), r.set(ctx, before)
}

// left returns how many bytes of the quota this attempt may have, including those that it
// has.
func (r *reservation) left(ctx context.Context) (int64, error) {
	used, err := r.s.Updater.Jobs.Usage(ctx, r.job.Owner, r.s.Now())
	return r.quota - used.Bytes + r.reserved, err
}

// set stores the reservation, without announcing it.
func (r *reservation) set(ctx context.Context, n int64) error {
	_, err := store.Update(ctx, r.job.ID, r.s.Updater.Jobs.Get, r.s.Updater.Jobs.Replace, func(j *sx.Job) error {
		return j.Reserve(r.job.Attempt, n)
	})
	if err == nil {
		r.reserved = n
	}
	return err
}

// reader returns a reader of src that ends with an error where the reservation does;
// before bytes were already charged to it. Its error is the one to report.
func (r *reservation) reader(ctx context.Context, src io.Reader, before int64) io.Reader {
	return &reservedReader{ctx: ctx, src: src, r: r, n: before}
}

type reservedReader struct {
	ctx context.Context //nolint:containedctx // an io.Reader has no other
	src io.Reader
	r   *reservation
	n   int64
}

func (v *reservedReader) Read(p []byte) (int, error) {
	n, err := v.src.Read(p)
	v.n += int64(n)
	if full := v.r.atLeast(v.ctx, v.n); full != nil {
		return 0, full
	}
	return n, err
}
