package storetest

import (
	"errors"
	"sync"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// epoch is the time around which the records of the tests were created.
var epoch = testkit.Epoch

// same compares two records: times as instants, and errors without their cause.
func same[T any](f *fixture, got, want T) {
	f.t.Helper()
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(sx.Error{}), cmpopts.EquateEmpty()); d != "" {
		f.t.Errorf("record differs (-want +got):\n%s", d)
	}
}

// race runs the same compare-and-set in several goroutines for several rounds, and
// checks that exactly one of them succeeds in each round. For the others, the
// record was changed or deleted. prepare runs before each round.
func race(f *fixture, prepare func(), cas func(round, racer int) error) {
	const rounds, racers = 20, 8
	for round := range rounds {
		prepare()
		var wg sync.WaitGroup
		start := make(chan struct{})
		errs := make([]error, racers)
		for i := range racers {
			wg.Go(func() {
				<-start
				errs[i] = cas(round, i)
			})
		}
		close(start)
		wg.Wait()
		winners := 0
		for _, err := range errs {
			switch {
			case err == nil:
				winners++
			case !errors.Is(err, store.ErrStale) && sx.CodeOf(err) != sx.CodeNotFound:
				f.t.Fatalf("round %d: a losing call returned %v, want ErrStale", round, err)
			}
		}
		if winners != 1 {
			f.t.Fatalf("in round %d, %d succeeded, want 1", round, winners)
		}
	}
}

func nothing() {}
