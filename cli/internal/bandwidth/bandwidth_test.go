package bandwidth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/cli/internal/bandwidth"
	"github.com/soundextract/sx/server/sx"
)

func newLimit(t *testing.T, text string) *bandwidth.Limit {
	t.Helper()
	l, err := bandwidth.New(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// read reads n bytes through the limit and returns how long that took.
func read(t *testing.T, l *bandwidth.Limit, n int) time.Duration {
	t.Helper()
	start := time.Now()
	got, err := io.Copy(io.Discard, l.Reader(t.Context(), bytes.NewReader(make([]byte, n))))
	if err != nil || got != int64(n) {
		t.Fatalf("read %d bytes: %v", got, err)
	}
	return time.Since(start)
}

func TestRate(t *testing.T) {
	for text, perSecond := range map[string]int{"2048b": 2048, "10k": 10 << 10, "1.5M": 3 << 19} {
		t.Run(text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took := read(t, newLimit(t, text), 10*perSecond)
				if took < 9800*time.Millisecond || took > 10*time.Second {
					t.Errorf("ten seconds' bytes took %s", took)
				}
			})
		})
	}
}

func TestNoLimit(t *testing.T) {
	for _, text := range []string{"", "off", "00:00,off"} {
		synctest.Test(t, func(t *testing.T) {
			if took := read(t, newLimit(t, text), 1<<20); took != 0 {
				t.Errorf("%q: took %s", text, took)
			}
		})
	}
}

func TestTransfersShareTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(t, "100k")
		start := time.Now()
		for range 2 {
			go func() { _, _ = io.Copy(io.Discard, l.Reader(t.Context(), bytes.NewReader(make([]byte, 500<<10)))) }()
		}
		time.Sleep(9 * time.Second) //nolint:forbidigo // fake time
		synctest.Wait()
		again := read(t, l, 100<<10) // both transfers are not complete: three share the rate
		if total := time.Since(start); again < 1900*time.Millisecond || total < 10900*time.Millisecond {
			t.Errorf("the third transfer took %s, all %s", again, total)
		}
	})
}

func TestTheRateChangesWithTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A minute at 1k, then no limit.
		now, soon := time.Now().Format("15:04"), time.Now().Add(time.Minute).Format("15:04")
		l := newLimit(t, now+",1k "+soon+",off")
		if took := read(t, l, 1<<20); took < 59*time.Second || took > 61*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestCancelledRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := io.Copy(io.Discard, newLimit(t, "1k").Reader(ctx, bytes.NewReader(make([]byte, 1<<20))))
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		" ", "10", "fast", "-1M", "0", "10b", "k", "nanM", "InfM", "1e400M", "08:00", "08:00,", "8,10k", "24:00,10k", "Xyz-08:00,10k",
		"08:00,10k 08:00,20k", "08:00,10", "10M 08:00,1k", "10M:1M",
	} {
		if _, err := bandwidth.New(text); sx.CodeOf(err) != sx.CodeUsage || sx.AsError(err).Hint == "" {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
