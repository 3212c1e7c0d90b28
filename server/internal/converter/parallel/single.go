package parallel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"sync"
)

// Single encodes the recording with one encoder, and writes its output to w. It returns
// the number of samples of each channel.
func (e *Encoders) Single(ctx context.Context, s Settings, rec Recording, w io.Writer) (samples int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := e.Start(ctx, s)
	if err != nil {
		return 0, fmt.Errorf("start the encoder: %w", err)
	}
	// The first error ends everything; the others are its consequences.
	fail := func(err error) {
		if err != nil {
			cancel(err)
			p.Kill()
		}
	}
	input := &singleInput{ctx: ctx, encoders: e, p: p, rec: rec}
	var group sync.WaitGroup
	group.Go(func() {
		blocks := bufio.NewWriterSize(input, blockSize) // packets are small
		err := rec.PCM(ctx, blocks)
		if err == nil {
			err = blocks.Flush()
		}
		if err == nil {
			err = p.Close()
		}
		if input.lost == nil { // otherwise the encoder's exit says why
			fail(err)
		}
	})
	_, err = io.Copy(w, p.Output())
	fail(err)
	fail(p.Wait())
	group.Wait()
	fail(input.lost)
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return input.written / (4 * int64(s.Channels)), nil
}

// singleInput is the encoder's input while the pool grants it an encoder.
type singleInput struct {
	ctx      context.Context //nolint:containedctx // of the one call of Single
	encoders *Encoders
	p        Process
	rec      Recording
	written  int64
	lost     error // why the encoder takes no more
}

// Write implements io.Writer. It returns the encoder to the pool after each piece, so
// that a long recording does not keep others waiting.
func (i *singleInput) Write(data []byte) (int, error) {
	n := 0
	for n < len(data) {
		if err := i.encoders.Pool.Acquire(i.ctx, i.rec.Owner); err != nil {
			return n, err
		}
		k, err := i.p.Write(data[n:min(n+blockSize, len(data))])
		i.encoders.Pool.Release(i.rec.Owner)
		n += k
		i.written += int64(k)
		if err != nil {
			i.lost = fmt.Errorf("write to the encoder: %w", err)
			return n, i.lost
		}
	}
	return n, nil
}
