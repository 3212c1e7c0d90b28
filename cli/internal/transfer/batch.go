package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// Item is one file of a batch.
type Item struct {
	Name string
	Bar  interface {
		// Fail ends the item's progress bar; if loud, it also prints the error.
		Fail(err error, hint string, loud bool)
	}
	Do func(ctx context.Context) error
}

// RunBatch processes the items in order, up to parallel at once. If one of several
// items fails, RunBatch reports the error immediately and continues, unless the error
// would affect all items: then it starts no more. It returns nil, the error of the
// only item, or an error with the number of failed items and the code and hint of the
// first. The commands in hints repeat the flags.
func RunBatch(ctx context.Context, items []Item, parallel int, flags nextcmd.Flags) error {
	return run(ctx, &batch{items: items, flags: flags, loud: len(items) > 1}, parallel)
}

// RunEach is RunBatch for a command that goes on after a failure: it also reports the
// error of a single item, so that the caller need not print the returned error, unless
// the command ends with it.
func RunEach(ctx context.Context, items []Item, parallel int, flags nextcmd.Flags) error {
	return run(ctx, &batch{items: items, flags: flags, loud: true}, parallel)
}

func run(ctx context.Context, b *batch, parallel int) error {
	var group sync.WaitGroup
	for range min(max(parallel, 1), len(b.items)) {
		group.Go(func() { b.work(ctx) })
	}
	group.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case b.failed == 0 || len(b.items) == 1:
		return b.first
	}
	return b.summary()
}

type batch struct {
	items []Item
	flags nextcmd.Flags
	loud  bool // each failed item reports its error

	mu     sync.Mutex
	next   int
	ended  bool // no more items are started
	failed int
	first  error
}

func (b *batch) work(ctx context.Context) {
	for {
		b.mu.Lock()
		i := b.next
		if b.ended || i == len(b.items) || ctx.Err() != nil {
			b.mu.Unlock()
			return
		}
		b.next++
		b.mu.Unlock()
		item := b.items[i]
		err := item.Do(ctx)
		if err == nil {
			continue
		}
		item.Bar.Fail(err, cmdutil.HintOf(err, b.flags), b.loud && ctx.Err() == nil)
		b.mu.Lock()
		b.failed++
		if b.first == nil {
			b.first = Wrap(item.Name, err)
		}
		b.ended = b.ended || cmdutil.ErrorCode(err).StopsBatch()
		b.mu.Unlock()
	}
}

func (b *batch) summary() error {
	text := fmt.Sprintf("%d of %d failed", b.failed, len(b.items))
	if rest := len(b.items) - b.next; rest > 0 {
		text += fmt.Sprintf(", %d not started", rest)
	}
	if b.failed > 1 {
		text += "; the first"
	}
	var known *sx.Error
	if !errors.As(b.first, &known) {
		return fmt.Errorf("%s: %w", text, b.first)
	}
	return known.WithMessage("%s: %s", text, known.Message).WithCause(b.first)
}

// FailureItems returns an item that fails for each file that cannot be used, so that
// it counts like the others.
func FailureItems(failures []mediafiles.Failure, display *term.ProgressDisplay) []Item {
	items := make([]Item, len(failures))
	for i, f := range failures {
		items[i] = Item{
			Name: f.Name, Bar: display.Add(f.Name, 0),
			Do: func(context.Context) error { return f.Err },
		}
	}
	return items
}

// FailAll reports the failures of a command that found no files. It needs no server.
func FailAll(ctx context.Context, found mediafiles.Found, io *term.IOStreams, flags nextcmd.Flags) error {
	display := term.NewProgressDisplay(io)
	defer display.Close()
	if skipped := found.Skipped.String(); skipped != "" && len(found.Failures) == 0 {
		display.Say(skipped)
	}
	return RunBatch(ctx, FailureItems(found.Failures, display), 1, flags)
}
