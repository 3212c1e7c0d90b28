// Package batch does the same to many files, several at once, so that the
// trouble of one does not stop the others.
package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Item is one file of a batch.
type Item struct {
	Name string
	Bar  *term.ProgressBar
	Do   func(ctx context.Context) error
}

// Run does the items in order, up to parallel at once. The error of one of
// several is shown at once and does not stop the others, unless they would meet
// it as well: then no more are begun. It returns nil, the only item's error, or
// one that counts those that failed and has the code and hint of the first.
func Run(ctx context.Context, items []Item, parallel int) error {
	b := &batch{items: items}
	var group sync.WaitGroup
	for range min(max(parallel, 1), len(items)) {
		group.Go(func() { b.work(ctx) })
	}
	group.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case b.failed == 0 || len(items) == 1:
		return b.first
	}
	return b.summary()
}

type batch struct {
	items []Item

	mu     sync.Mutex
	next   int
	ended  bool // no more are begun
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
		item.Bar.Fail(err, len(b.items) > 1 && ctx.Err() == nil)
		b.mu.Lock()
		b.failed++
		if b.first == nil {
			b.first = transfer.Named(item.Name, err)
		}
		b.ended = b.ended || general(err)
		b.mu.Unlock()
	}
}

// general reports whether the error is about the server or the account, so that
// every other file would meet it.
func general(err error) bool {
	var away *client.Unreachable
	var told *sx.Error
	if !errors.As(err, &told) {
		return errors.As(err, &away)
	}
	switch told.Code {
	case sx.CodeUnauthenticated, sx.CodeSessionEnded, sx.CodeUnavailable, sx.CodeStorageFull, cmdutil.CodeTimedOut:
		return true
	}
	return false
}

func (b *batch) summary() error {
	text := fmt.Sprintf("%d of %d failed", b.failed, len(b.items))
	if rest := len(b.items) - b.next; rest > 0 {
		text += fmt.Sprintf(" and %d were not begun", rest)
	}
	var told *sx.Error
	if !errors.As(b.first, &told) {
		return fmt.Errorf("%s, first %w", text, b.first)
	}
	all := *told
	all.Message = text + ", first " + told.Message
	return all.WithCause(b.first)
}
