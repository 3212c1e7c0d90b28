package cmdutil_test

import (
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/sx"
)

func TestValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		seconds int
		shown   string
	}{
		"90d": {90 * 86400, "90d"}, "1d": {86400, "1d"}, "48h": {2 * 86400, "2d"}, "36h": {36 * 3600, "36h"}, "90m": {90 * 60, "1h30m"}, "1m": {60, "1m"},
	} {
		var v cmdutil.Lifetime
		if err := v.Set(text); err != nil || v.Seconds() != want.seconds || v.String() != want.shown {
			t.Errorf("%s: %d seconds, shown as %s, %v; want %+v", text, v.Seconds(), &v, err, want)
		}
	}
	for _, text := range []string{"", "d", "0d", "-1d", "1.5d", "59s", "0", "90", "x", "99999999999d", "9999999999999999999999d"} {
		v := cmdutil.Lifetime(42)
		if err := v.Set(text); err == nil || v != 42 {
			t.Errorf("%q is taken as %s", text, &v)
		}
	}
}

func TestAtMost(t *testing.T) {
	t.Parallel()
	long := cmdutil.Lifetime(400 * 24 * time.Hour)
	err := long.AtMost("--expires", 366*24*time.Hour)
	if cmdutil.ErrorCode(err) != sx.CodeUsage || err.Error() != "--expires 400d is too long" {
		t.Errorf("got %v", err)
	}
	if err := long.AtMost("--expires", 400*24*time.Hour); err != nil {
		t.Error(err)
	}
}

func FuzzLifetime(f *testing.F) {
	for _, seed := range []string{"", "90d", "36h", "1m", "59s", "-1d", "-200000000d", "-9223372036854775808d", "106752d", "d", "1.5h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var v, again cmdutil.Lifetime
		if v.Set(text) != nil {
			return
		}
		if time.Duration(v) < time.Minute {
			t.Fatalf("%q is %s", text, time.Duration(v))
		}
		if err := again.Set(v.String()); err != nil || again != v {
			t.Errorf("%q: %d ns are formatted as %s, which is %d, %v", text, v, v.String(), again, err)
		}
	})
}
