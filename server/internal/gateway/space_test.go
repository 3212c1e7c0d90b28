package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/space"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// TestReserve lets the volume fill up: first new uploads are refused, then running ones
// are ended; conversions continue, and removals free space.
func TestReserve(t *testing.T) {
	t.Parallel()
	const reserve = 10_000
	volume := store.Space{Total: 1 << 40, Free: 3 * reserve}
	f := newFixture(t, func(cfg *gateway.Config) {
		cfg.Space = space.New(space.Config{
			Space: func(context.Context) (store.Space, error) { return volume, nil },
			Tasks: cfg.Tasks, Reserve: space.Fixed(reserve), Log: cfg.Log, Now: cfg.Now,
		})
	})
	fill := func(free int64) {
		volume.Free = free
		f.clock.Advance(2 * time.Second) // the last reading is no longer fresh
	}
	create := func(size string) answer {
		return f.do(alice, http.MethodPost, api.PathUploads, nil,
			"Tus-Resumable", "1.0.0", "Upload-Length", size, "Upload-Metadata", meta("filename", "b.mp4"))
	}
	data := video(90, 2*reserve)
	running, done := f.create(alice, "a.mp4", len(data)), f.upload(alice, "b.mp4", data)
	create("20001").wantCode(t, sx.CodeStorageFull)
	create("20000").want(t, http.StatusCreated)

	fill(reserve / 2)
	create("1").wantCode(t, sx.CodeStorageFull)
	f.patch(alice, running, 0, data[:5000]).want(t, http.StatusNoContent)
	fill(reserve/2 - 1)
	f.patch(alice, running, 5000, data[5000:]).wantCode(t, sx.CodeStorageFull)
	if got := f.offset(alice, running); got != 5000 {
		t.Errorf("the upload has %d bytes, want 5000", got)
	}
	f.convert(done, []byte("mp3"))
	f.do(alice, http.MethodDelete, jobPath(api.PathJob, done), nil).want(t, http.StatusNoContent)
	fill(reserve)
	f.patch(alice, running, 5000, data[5000:]).want(t, http.StatusNoContent)
	for line, want := range map[string]int{"new uploads are refused": 2, "new uploads are admitted again": 1} {
		if n := strings.Count(f.logs.String(), line); n != want {
			t.Errorf("%d log lines with %q, want %d", n, line, want)
		}
	}
}
