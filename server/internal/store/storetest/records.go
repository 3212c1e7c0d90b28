package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// epoch is the time around which the records of the tests were created.
var epoch = time.Date(2024, 2, 29, 23, 59, 58, 123e6, time.UTC)

// filled returns a T in which every field, at every depth, has a unique non-zero
// value, so that the tests detect a field that an adapter does not store,
// including one that is added later.
func filled[T any](t *testing.T) T {
	var v T
	n := 0
	fill(t, reflect.ValueOf(&v).Elem(), &n)
	return v
}

func fill(t *testing.T, v reflect.Value, n *int) {
	*n++
	switch v.Kind() { //nolint:exhaustive // the default reports missing kinds
	case reflect.String:
		v.SetString(fmt.Sprintf("v%d-ä☃", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) * 1_000_000_007)
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.25)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(epoch.Add(time.Duration(*n) * time.Minute)))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i), n)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // the test fills it
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	default:
		t.Fatalf("cannot fill a %s", v.Type())
	}
}

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
