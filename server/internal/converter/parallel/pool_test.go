package parallel_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/soundextract/sx/server/internal/converter/parallel"
	"github.com/soundextract/sx/server/testkit"
)

// TestPoolIsFair fills the pool, and checks who gets the encoders that become
// free.
func TestPoolIsFair(t *testing.T) {
	t.Parallel()
	p := parallel.NewPool(3)
	for _, owner := range []string{"a", "a", "b"} {
		if !p.TryAcquire(owner) {
			t.Fatal("the pool is full")
		}
	}
	got := make(chan string)
	for i, owner := range []string{"a", "b", "c", "a"} { // in this order
		go func() {
			if err := p.Acquire(t.Context(), owner); err != nil {
				t.Error(err)
			}
			got <- owner
		}()
		testkit.Eventually(t, "the next one waits", func() bool { return p.Waiting() == i+1 })
	}
	if p.TryAcquire("d") {
		t.Error("an encoder was taken from those who wait")
	}
	var order []string
	for _, owner := range []string{"a", "a", "b", "c"} {
		p.Release(owner)
		order = append(order, <-got)
	}
	if want := []string{"c", "a", "b", "a"}; !slices.Equal(order, want) {
		t.Errorf("the encoders went to %q, want %q", order, want)
	}
}

func TestPoolGivesUp(t *testing.T) {
	t.Parallel()
	p := parallel.NewPool(1)
	if err := p.Acquire(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	why := errors.New("cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := p.Acquire(ctx, "b"); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	p.Release("a")
	if !p.TryAcquire("b") {
		t.Error("the encoder is lost")
	}
}
