package sx_test

import (
	"testing"

	"github.com/soundextract/sx/server/sx"
)

func TestFormatSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1549: "1.5 kB", 9_949: "9.9 kB", 9_951: "10 kB", 999_400: "999 kB",
		999_600: "1.0 MB", 4_200_000_000: "4.2 GB", 1 << 62: "4.6 EB",
	} {
		if got := sx.FormatSize(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
