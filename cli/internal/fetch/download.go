package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// errDamaged says that what arrived is not what the server has.
var errDamaged = errors.New("digest differs")

const block = 256 << 10

// run brings what is missing over as many connections as the patience allows,
// and checks the digest.
func (d *download) run(ctx context.Context) error {
	size := d.job.Track.Size
	d.meter.Start("downloading", d.have, size)
	retry := d.Policy.Start(d.meter)
	for d.have < size {
		before := d.have
		err := d.once(ctx)
		if d.have > before {
			retry.Progress()
		}
		if err == nil {
			continue
		}
		if err := retry.Pause(ctx, err); err != nil {
			return err
		}
	}
	if hex.EncodeToString(d.sum.Sum(nil)) != d.job.Track.SHA256 {
		return sx.NewError(sx.CodeInternal, "the MP3 arrived damaged").
			WithHint("run the same command again; it starts anew").WithCause(errDamaged)
	}
	return nil
}

// once reads one answer to its end. It returns an error when that is not all.
func (d *download) once(ctx context.Context) error {
	ctx, dog := transfer.Watch(ctx, transfer.Stall)
	defer dog.Stop()
	// The server's ETag is the digest: a track that was made anew comes whole.
	res, err := d.API.Track(ctx, d.job.ID, d.have, `"`+d.job.Track.SHA256+`"`)
	if err != nil {
		return transfer.Cause(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := d.align(res); err != nil {
		return err
	}
	buffer := make([]byte, block)
	for d.have < d.job.Track.Size {
		n, err := res.Body.Read(buffer[:min(block, d.job.Track.Size-d.have)])
		dog.Beat()
		if n > 0 {
			if _, err := d.to.Write(buffer[:n]); err != nil {
				return local("write the MP3", err)
			}
			d.sum.Write(buffer[:n])
			d.have += int64(n)
			d.meter.Set(d.have)
		}
		if err != nil && d.have < d.job.Track.Size {
			if ctx.Err() != nil {
				return transfer.Cause(ctx, ctx.Err())
			}
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return &client.Unreachable{Server: res.Request.URL.Host, Err: err}
		}
	}
	return nil
}

// align makes the answer's first byte the next one that is wanted.
func (d *download) align(res *http.Response) error {
	switch {
	case res.StatusCode == http.StatusPartialContent:
		if got := res.Header.Get("Content-Range"); !strings.HasPrefix(got, fmt.Sprintf("bytes %d-", d.have)) {
			return sx.NewError(sx.CodeUnavailable, "the server answered with another part than was asked for (%s)", got)
		}
		return nil
	case res.StatusCode != http.StatusOK:
		return sx.NewError(sx.CodeUnavailable, "the server answered %s", res.Status)
	case d.have == 0:
		return nil
	case d.rewind != nil:
		d.sum, d.have = sha256.New(), 0
		d.meter.Set(0)
		return d.rewind()
	}
	if _, err := io.CopyN(io.Discard, res.Body, d.have); err != nil {
		return &client.Unreachable{Server: res.Request.URL.Host, Err: err}
	}
	return nil
}

// local makes an error of this machine's disk one that says what to do.
func local(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case diskFull(err):
		return sx.NewError(sx.CodeStorageFull, "cannot %s: the disk here is full", doing).
			WithHint("make room and run the same command again; it goes on where it stopped").WithCause(err)
	case errors.Is(err, context.Canceled):
		return err
	}
	var path interface{ Unwrap() error }
	reason := err
	if errors.As(err, &path) && path.Unwrap() != nil {
		reason = path.Unwrap() // without the path, which is named already
	}
	return sx.NewError(sx.CodeInvalid, "cannot %s: %v", doing, reason).
		WithHint("check the place and your rights there, or give another one with -o").WithCause(err)
}
