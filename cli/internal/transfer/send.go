package transfer

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/soundextract/sx/cli/internal/bandwidth"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/sx"
)

// The sizes of PATCH request bodies. The first body of an upload is small, so that the
// server can respond to a file that is not a video before the client sends the rest;
// otherwise the connection would break. All are bounded, so that progress is saved
// even behind a proxy that buffers whole requests. They shrink after a failure, to get
// below the limits of such a proxy, and grow if a full body is sent fast, because both
// sides wait at the end of each until it is on disk.
const (
	firstBody = 256 << 10
	minBody   = 256 << 10
	usualBody = 64 << 20
	maxBody   = 1 << 30
	fast      = 5 * time.Second // if a full body takes less, the next one is larger
)

// maxRefusals is the number of errors without progress after which the upload is resumed
// from the server's offset.
const maxRefusals = 4

// sender sends the bytes of an upload from offset to its end.
type sender struct {
	client   tus.Client
	id       string
	src      io.ReaderAt
	size     int64
	offset   int64        // bytes that the server has stored
	check    func() error // called before each request; its error ends the upload
	progress Progress
	retry    *Retry
	stall    time.Duration // how long a request may transfer nothing
	limit    *bandwidth.Limit

	bodySize int64 // the maximum size of the next body
	best     int64 // the highest offset so far
	refusals int   // since then
}

// send sends the remaining bytes, reconnecting until the retry timeout. If the server
// no longer has the upload, the error is an *sx.Error of code not_found or
// upload_expired.
func (s *sender) send(ctx context.Context) error {
	s.bodySize, s.best = usualBody, s.offset
	for s.offset < s.size {
		if err := s.check(); err != nil {
			return err
		}
		err := s.sendBody(ctx)
		if err == nil {
			continue
		}
		if err := s.resume(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// sendBody sends one PATCH request. After an error, the server's offset is unknown.
func (s *sender) sendBody(ctx context.Context) error {
	n := min(s.bodySize, s.size-s.offset)
	if s.offset == 0 {
		n = min(n, firstBody)
	}
	started := time.Now()
	offset, err := s.patch(ctx, n)
	if err == nil && (offset <= s.offset || offset > s.size) {
		err = sx.NewError(sx.CodeOffsetConflict, "the server has %d bytes after byte %d was sent", offset, s.offset+n)
	}
	if err != nil {
		s.bodySize = n
		return err
	}
	if s.bodySize < usualBody || n == s.bodySize && time.Since(started) < fast {
		s.bodySize = min(s.bodySize*2, maxBody)
	}
	s.moveTo(offset)
	return nil
}

// patch sends n bytes and returns the server's new offset.
func (s *sender) patch(ctx context.Context, n int64) (int64, error) {
	ctx, dog := watch(ctx, s.stall)
	defer dog.stop()
	src := newReadAhead(ctx, s.src, s.offset, n)
	defer src.close()
	stored := s.followStored(ctx, dog)
	offset, err := s.client.Send(ctx, s.id, s.offset, s.limit.Reader(ctx, src), n, func(int64) { dog.reset() })
	if stored() > s.offset {
		s.retry.Progress() // also if the request has failed
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // of which a read of src may have failed
	}
	return offset, stallError(ctx, err)
}

// storedInterval is how often the number of stored bytes is requested while a request
// sends.
const storedInterval = time.Second

// followStored shows how many bytes the server has stored while a request sends: what the
// systems and proxies in between hold in their buffers does not count. The function it
// returns ends that, and returns the number.
func (s *sender) followStored(ctx context.Context, dog *watchdog) (end func() int64) {
	ctx, cancel := context.WithCancel(ctx)
	stored, done := s.offset, make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(storedInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			job, err := s.client.API.Job(ctx, s.id)
			if err != nil || job.State != sx.StateUploading {
				continue // the request itself reports the error
			}
			if now := int64(math.Round(job.Progress / 100 * float64(s.size))); now > stored {
				stored = now
				dog.reset()
				s.progress.Set(now)
			}
		}
	}()
	return func() int64 {
		cancel()
		<-done
		return stored
	}
}

// moveTo records that the server has stored more bytes. Those that it had lost are no
// progress, so that a server that loses them each time is not retried forever.
func (s *sender) moveTo(offset int64) {
	s.offset = offset
	s.progress.Set(offset)
	if offset > s.best {
		s.best, s.refusals = offset, 0
		s.retry.Progress()
	}
}

// resume requests the offset after a PATCH failed with cause, and pauses if nothing
// was stored. It returns an error if the upload cannot continue.
func (s *sender) resume(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !Retryable(cause) {
		if s.refusals++; s.refusals > maxRefusals || !s.canResync(cause) {
			return cause
		}
	}
	s.bodySize = max(s.bodySize/4, minBody)
	asked := retryAfter(cause) > 0
	if asked {
		if err := s.retry.Wait(ctx, cause); err != nil {
			return err
		}
	}
	if err := s.findOffset(ctx); err != nil {
		return err
	}
	switch {
	case s.offset > s.size:
		return sx.NewError(sx.CodeInternal, "the server has %d bytes of a file of %d", s.offset, s.size)
	case s.offset > s.best:
		s.moveTo(s.offset)
		return nil
	}
	s.progress.Set(s.offset)
	if asked {
		return nil
	}
	return s.retry.Wait(ctx, cause)
}

// canResync reports whether a PATCH that failed with err may succeed from the server's
// current offset.
func (s *sender) canResync(err error) bool {
	var known *sx.Error
	if !errors.As(err, &known) {
		return false
	}
	if known.Code == sx.CodeTooLarge { // from a proxy; the server checks the size at the creation
		return s.bodySize > minBody
	}
	return known.Code.Resync()
}

// findOffset requests the offset until the server responds.
func (s *sender) findOffset(ctx context.Context) error {
	for {
		var offset int64
		err := watched(ctx, s.stall, func(ctx context.Context) (err error) {
			offset, err = s.client.Offset(ctx, s.id)
			return err
		})
		if err == nil {
			s.offset = offset
			// Not Progress: a server that responds to this and stores no bytes
			// would be retried forever.
			s.retry.Responded()
			return nil
		}
		if err := s.retry.Pause(ctx, err); err != nil {
			return err
		}
	}
}
