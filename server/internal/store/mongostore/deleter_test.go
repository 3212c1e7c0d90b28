package mongostore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// database takes a while for each chunk that a command names, and ends no command that
// takes longer than operationTimeout.
type database struct {
	each    time.Duration
	running bool
	sizes   []int // of the commands
	deleted []bson.ObjectID
}

func (d *database) delete(ctx context.Context, ids []bson.ObjectID) error {
	if d.running {
		return errors.New("two commands at the same time")
	}
	d.running = true
	defer func() { d.running = false }()
	d.sizes = append(d.sizes, len(ids))
	took := d.each * time.Duration(len(ids))
	if err := backoff.Sleep(ctx, min(took, operationTimeout)); err != nil {
		return err
	}
	if took > operationTimeout {
		return sx.NewError(sx.CodeUnavailable, "no response")
	}
	d.deleted = append(d.deleted, ids...)
	return ctx.Err()
}

func ids(n int) iter.Seq[bson.ObjectID] {
	return func(yield func(bson.ObjectID) bool) {
		for i := range n {
			if !yield(chunkID("v1", 0, i)) {
				return
			}
		}
	}
}

// TestSlowDeletion checks that a database too slow for a command gets smaller ones, after
// pauses that grow, until it manages them, and larger ones when it is quick again.
func TestSlowDeletion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, db := newDeleter(), &database{each: time.Second}
		var pauses []time.Duration
		for d.run(t.Context(), ids(60), db.delete) != nil {
			start := time.Now()
			for _, err := d.size(); err != nil; _, err = d.size() {
				if err := d.run(t.Context(), ids(1), db.delete); sx.CodeOf(err) != sx.CodeUnavailable {
					t.Fatalf("a deletion in the pause returned %v", err)
				}
				_ = backoff.Sleep(t.Context(), 100*time.Millisecond)
			}
			pauses = append(pauses, time.Since(start))
		}
		if want := []int{60, 30, 15, 15, 15, 15}; !slices.Equal(db.sizes, want) {
			t.Errorf("commands of %d chunks, want %d", db.sizes, want)
		}
		if len(pauses) != 2 || pauses[0] < firstDeletePause/2 || pauses[1] < firstDeletePause {
			t.Errorf("pauses of %v do not grow from %v", pauses, firstDeletePause)
		}
		if len(db.deleted) != 60 {
			t.Errorf("%d chunks were deleted, want 60", len(db.deleted))
		}
		db.each, db.sizes = time.Millisecond, nil
		if err := d.run(t.Context(), ids(400), db.delete); err != nil || !slices.Contains(db.sizes, maxDeleted) {
			t.Errorf("commands of %d chunks on a quick database: %v", db.sizes, err)
		}
	})
}

// TestDeletionsTakeTurns checks that a process sends one command at a time, and that a
// short deletion does not wait for all of a long one.
func TestDeletionsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, db := newDeleter(), &database{each: time.Millisecond}
		ended := make(chan int, 2)
		for _, n := range []int{5000, 10} {
			go func() {
				if err := d.run(t.Context(), ids(n), db.delete); err != nil {
					t.Errorf("deleting %d chunks: %v", n, err)
				}
				ended <- n
			}()
		}
		if first := <-ended; first != 10 {
			t.Errorf("the deletion of %d chunks ended first", first)
		}
		<-ended
		ctx, cancel := context.WithCancel(t.Context())
		d.turn <- struct{}{}
		cancel()
		if err := d.run(ctx, ids(1), db.delete); !errors.Is(err, context.Canceled) {
			t.Errorf("a deletion whose ctx has ended returned %v", err)
		}
	})
}
