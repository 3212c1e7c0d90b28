package tus

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/sx"
)

// The sizes of PATCH requests. The first of an upload is small, so that the
// refusal of a file that is no media reaches us as an answer and not as a
// connection that broke while we were still sending. The others are bounded, so
// that something is stored for good even where a proxy collects the whole
// request before it passes it on; they shrink while nothing gets through, below
// the limits and time-outs of such a proxy. Where the usual size takes no time,
// they grow: at the end of each, both sides wait until all of it is on disk.
const (
	firstPatch    = 256 << 10
	smallestPatch = 256 << 10
	usualPatch    = 64 << 20
	largestPatch  = 1 << 30
	quick         = 5 * time.Second // for a PATCH after which the next may be larger
)

// Refusals that asking for the offset may cure are put up with a few times.
const maxRefusals = 4

// Upload is an upload that was created.
type Upload struct {
	ID     string
	Src    io.ReaderAt
	Size   int64
	Offset int64 // where the server is
	// Check is called before each request and ends the upload with its error.
	Check func() error
	Meter transfer.Meter
	Retry *transfer.Retry
}

// Find asks for the upload's offset until the server tells.
func (c *Client) Find(ctx context.Context, u *Upload) error {
	for {
		offset, err := c.Offset(ctx, u.ID)
		if err == nil {
			// This is no progress yet: a server that tells the offset and takes
			// no bytes would be asked for ever.
			u.Retry.Answered()
			u.Offset = offset
			return nil
		}
		if err := u.Retry.Pause(ctx, err); err != nil {
			return err
		}
	}
}

// Send brings the upload to its end, over as many broken connections as the
// patience allows. An upload that the server no longer has is an *sx.Error of
// code not_found or upload_expired.
func (c *Client) Send(ctx context.Context, u *Upload) error {
	size, best, refusals := int64(usualPatch), u.Offset, 0
	for u.Offset < u.Size {
		if err := u.Check(); err != nil {
			return err
		}
		n := min(size, u.Size-u.Offset)
		if u.Offset == 0 {
			n = min(n, firstPatch)
		}
		from, begun := u.Offset, time.Now()
		now, err := c.Patch(ctx, u.ID, u.Src, from, n, func(sent int64) { u.Meter.Set(from + sent) })
		if err == nil && now > best && now <= u.Size {
			best, refusals = now, 0
			if size < usualPatch || n == size && time.Since(begun) < quick {
				size = min(size*2, largestPatch)
			}
			u.Offset = now
			u.Meter.Set(now)
			u.Retry.Progress()
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = sx.NewError(sx.CodeOffsetConflict, "the server is at byte %d after %d were sent", now, from+n)
		}
		size = max(n/4, smallestPatch)
		if !transfer.Transient(err) {
			if refusals++; refusals > maxRefusals || !curable(err, n) {
				return err
			}
		}
		if err := c.Find(ctx, u); err != nil {
			return err
		}
		u.Meter.Set(u.Offset)
		if u.Offset > u.Size {
			return sx.NewError(sx.CodeInternal, "the server has %d bytes of a file of %d", u.Offset, u.Size)
		}
		if u.Offset > best {
			best, refusals = u.Offset, 0
			u.Retry.Progress()
			continue
		}
		if err := u.Retry.Wait(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// curable reports whether a PATCH of n bytes that was refused with err may
// succeed once the offset is known again.
func curable(err error, n int64) bool {
	var told *sx.Error
	if !errors.As(err, &told) {
		return false
	}
	switch told.Code {
	case sx.CodeOffsetConflict, sx.CodeConflict:
		return true
	case sx.CodeUnauthenticated: // the access token ended; asking for the offset renews it
		return true
	case sx.CodeTooLarge: // to a proxy; the server itself refuses at the creation
		return n > smallestPatch
	}
	return false
}
