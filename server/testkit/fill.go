package testkit

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// Epoch is the time around which Filled sets times. It is a whole number of
// milliseconds, which is what MongoDB stores.
var Epoch = time.Date(2024, 2, 29, 23, 59, 58, 123e6, time.UTC)

// Filled returns a T in which every exported field, at every depth, has a unique
// non-zero value, so that a test detects a field that a conversion or a store
// forgets, including one that is added later. Slices have two elements.
func Filled[T any](tb testing.TB) T {
	tb.Helper()
	var v T
	n := 0
	fill(tb, reflect.ValueOf(&v).Elem(), &n)
	return v
}

func fill(tb testing.TB, v reflect.Value, n *int) {
	tb.Helper()
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
		fill(tb, v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(Epoch.Add(time.Duration(*n) * time.Minute)))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(tb, v.Field(i), n)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(fmt.Appendf(nil, "%d\x00\xff", *n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(tb, v.Index(i), n)
		}
	default:
		tb.Fatalf("cannot fill a %s", v.Type())
	}
}
