package transfer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/sx"
)

// The sizes of PATCH request bodies. The first body of an upload is small, so
// that the refusal of a file that is not a video arrives as an answer and not as
// a broken connection while the rest is being sent. All are bounded, so that
// bytes are stored for good even behind a proxy that buffers whole requests.
// After a failure they shrink, below the size limits and timeouts of such a
// proxy; where a full body is sent fast they grow, because both sides wait at
// the end of each until it is on disk.
const (
	firstBody = 256 << 10
	minBody   = 256 << 10
	usualBody = 64 << 20
	maxBody   = 1 << 30
	fast      = 5 * time.Second // for a full body after which the next may be larger
)

// maxRefusals is how many refusals in a row that asking for the offset may cure
// are tolerated.
const maxRefusals = 4

// sender sends the bytes of an upload that was created, from offset on.
type sender struct {
	client   tus.Client
	id       string
	src      io.ReaderAt
	size     int64
	offset   int64        // bytes that the server has
	check    func() error // called before each request; its error ends the upload
	progress Progress
	retry    *Retry
	stall    time.Duration // how long a request may move nothing

	bodySize int64 // the most that the next body has
	best     int64 // the highest offset so far
	refusals int   // in a row, at the same offset
}

// send sends what is missing, over as many broken connections as the retry
// timeout allows. An upload that the server no longer has is an *sx.Error of
// code not_found or upload_expired.
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

// sendBody makes one PATCH request. After an error the server's offset is not known.
func (s *sender) sendBody(ctx context.Context) error {
	n := min(s.bodySize, s.size-s.offset)
	if s.offset == 0 {
		n = min(n, firstBody)
	}
	started := time.Now()
	offset, err := s.patch(ctx, n)
	if err == nil && (offset <= s.best || offset > s.size) {
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

// patch sends n bytes and returns the offset that the server then has.
func (s *sender) patch(ctx context.Context, n int64) (int64, error) {
	ctx, dog := watch(ctx, s.stall)
	defer dog.stop()
	body := io.NewSectionReader(s.src, s.offset, n)
	offset, err := s.client.Send(ctx, s.id, s.offset, body, n, func(sent int64) {
		dog.reset()
		s.progress.Set(s.offset + sent)
	})
	return offset, stallError(ctx, err)
}

// moveTo records progress.
func (s *sender) moveTo(offset int64) {
	s.offset, s.best, s.refusals = offset, offset, 0
	s.progress.Set(offset)
	s.retry.Progress()
}

// resume asks for the offset after a PATCH failed with cause, and pauses if
// nothing was stored. It returns an error if the upload cannot continue.
func (s *sender) resume(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !Retryable(cause) {
		if s.refusals++; s.refusals > maxRefusals || !s.offsetMayCure(cause) {
			return cause
		}
	}
	s.bodySize = max(s.bodySize/4, minBody)
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
	return s.retry.Wait(ctx, cause)
}

// offsetMayCure reports whether a PATCH that was refused with err may succeed
// after asking for the offset.
func (s *sender) offsetMayCure(err error) bool {
	var known *sx.Error
	if !errors.As(err, &known) {
		return false
	}
	if known.Code == sx.CodeTooLarge { // for a proxy; the server itself refuses at the creation
		return s.bodySize > minBody
	}
	return known.Code.Resync()
}

// findOffset asks for the offset until the server answers.
func (s *sender) findOffset(ctx context.Context) error {
	for {
		var offset int64
		err := watched(ctx, s.stall, func(ctx context.Context) (err error) {
			offset, err = s.client.Offset(ctx, s.id)
			return err
		})
		if err == nil {
			s.offset = offset
			// No progress yet: a server that answers this and stores no bytes
			// would be asked for ever.
			s.retry.Answered()
			return nil
		}
		if err := s.retry.Pause(ctx, err); err != nil {
			return err
		}
	}
}
