package mongostore

import (
	"context"
	"iter"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

const (
	// maxDeleted is how many chunks (25 MiB) one command deletes at most.
	maxDeleted = 100
	// quickDelete is how long a command may take for the next one to delete more.
	quickDelete = time.Second
	// The pause after a command that did not end in time.
	firstDeletePause, maxDeletePause = 2 * time.Second, 2 * time.Minute
)

// deleter paces the deletion of chunks: this process sends one command at a time, of a
// size that the database has managed. A server goes on with a command for which the
// client no longer waits, so after a timeout nothing more is deleted for a while.
type deleter struct {
	turn chan struct{} // has an element while a command runs

	mu    sync.Mutex
	batch int // how many chunks the next command deletes
	pause backoff.Backoff
	until time.Time // when the pause ends
}

func newDeleter() *deleter {
	return &deleter{
		turn: make(chan struct{}, 1), batch: maxDeleted,
		pause: backoff.Backoff{First: firstDeletePause, Max: maxDeletePause},
	}
}

// run calls command with all the ids, some at a time. During a pause, it returns an
// *sx.Error of code unavailable. An error of command ends it.
func (d *deleter) run(ctx context.Context, ids iter.Seq[bson.ObjectID], command func(context.Context, []bson.ObjectID) error) error {
	next, stop := iter.Pull(ids)
	defer stop()
	for id, more := next(); more; {
		select {
		case d.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		size, err := d.size()
		if err == nil {
			batch := make([]bson.ObjectID, 0, size)
			for ; more && len(batch) < size; id, more = next() {
				batch = append(batch, id)
			}
			start := time.Now()
			err = command(ctx, batch)
			d.adapt(len(batch), time.Since(start), err)
		}
		<-d.turn
		if err != nil {
			return err
		}
	}
	return nil
}

// size returns how many chunks the next command may delete.
func (d *deleter) size() (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if rest := time.Until(d.until); rest > 0 {
		return 0, sx.NewError(sx.CodeUnavailable, "the database is too slow to delete anything now")
	}
	return d.batch, nil
}

// adapt sets the size of the next command, and the pause before it, by how one of the
// given size went.
func (d *deleter) adapt(size int, took time.Duration, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		d.pause.Reset()
		if took < quickDelete {
			d.batch = min(2*d.batch, maxDeleted)
		}
	case took >= operationTimeout:
		d.batch = max(size/2, 1)
		d.until = time.Now().Add(d.pause.Next())
	}
}
