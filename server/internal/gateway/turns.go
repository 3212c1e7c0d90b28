package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/soundextract/sx/server/sx"
)

var (
	errOvertaken = sx.NewError(sx.CodeOffsetConflict, "another request goes on with this upload")
	errBusy      = sx.NewError(sx.CodeUnavailable, "the request before is still being stored")
	errStopping  = sx.NewError(sx.CodeUnavailable, "the server is stopping")
)

// turnWait bounds how long a request waits for the one that it ends.
const turnWait = 20 * time.Second

// turns lets one request at a time work on an upload; the newest wins and the
// older one is stopped, because after a broken connection the server often
// does not know yet that the client of the older one has gone. Between
// processes the same rule is kept by store.Videos.Append.
type turns struct {
	mu      sync.Mutex
	last    uint64
	holders map[string]*turn
	closed  bool
}

type turn struct {
	number uint64 // the newer the higher
	stop   func(reason error)
	over   chan struct{}
}

func newTurns() *turns { return &turns{holders: map[string]*turn{}} }

// take stops whoever holds the upload and waits for it. stop may be called
// several times while the turn lasts and must not block; the turn lasts until
// release. Who is overtaken while it waits gets an Error of code offset_conflict.
func (t *turns) take(ctx context.Context, id string, stop func(reason error)) (release func(), err error) {
	return t.wait(ctx, id, &turn{stop: stop, over: make(chan struct{})}, false)
}

// insist is take for work that is short and is not to be overtaken, even if a
// newer request comes while it waits: a tus client that gets no offset would
// begin its upload anew, and an end is an end.
func (t *turns) insist(ctx context.Context, id string) (release func(), err error) {
	return t.wait(ctx, id, &turn{stop: func(error) {}, over: make(chan struct{})}, true)
}

func (t *turns) wait(ctx context.Context, id string, mine *turn, insist bool) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		if t.closed {
			return nil, errStopping
		}
		if mine.number == 0 || insist {
			t.last++
			mine.number = t.last
		}
		holder := t.holders[id]
		if holder == nil {
			t.holders[id] = mine
			return func() { t.release(id, mine) }, nil
		}
		if holder.number > mine.number {
			return nil, errOvertaken
		}
		holder.stop(errOvertaken)
		t.mu.Unlock()
		select {
		case <-holder.over:
		case <-ctx.Done():
		}
		t.mu.Lock()
		if ctx.Err() != nil {
			return nil, errBusy
		}
	}
}

func (t *turns) release(id string, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.holders, id)
	close(mine.over)
}

// held reports whether a request works on the upload now.
func (t *turns) held(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.holders[id] != nil
}

// active lists the uploads that requests work on now.
func (t *turns) active() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := make([]string, 0, len(t.holders))
	for id := range t.holders {
		ids = append(ids, id)
	}
	return ids
}

// stop ends the request that works on the upload.
func (t *turns) stop(id string, reason error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if holder := t.holders[id]; holder != nil {
		holder.stop(reason)
	}
}

// close ends all requests and lets no new one in.
func (t *turns) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, holder := range t.holders {
		holder.stop(errStopping)
	}
}
