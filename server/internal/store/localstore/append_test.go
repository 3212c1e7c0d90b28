package localstore_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// slow is a source that returns head, signals that it is empty and waits for end.
type slow struct {
	head  io.Reader
	empty chan<- struct{}
	end   <-chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	n, err := s.head.Read(p)
	if err == io.EOF {
		s.empty <- struct{}{}
		<-s.end
	}
	return n, err
}

// TestSlowLinkIsCommitted checks an upload whose connection is open but idle: what
// has arrived is committed after a while.
func TestSlowLinkIsCommitted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := open(t, t.TempDir())
	defer func() { _ = s.Close() }()
	const size = 300_000
	if err := s.Videos.Create(ctx, "v1", "a.mp4", size); err != nil {
		t.Fatal(err)
	}
	empty, end, done := make(chan struct{}, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		// Small reads, as from a slow network.
		_, err := s.Videos.Append(ctx, "v1", 0, &slow{io.LimitReader(trickle{}, size), empty, end})
		done <- err
	}()
	<-empty
	testkit.Eventually(t, "all bytes are committed", func() bool {
		up, err := s.Videos.Stat(ctx, "v1")
		if err != nil {
			t.Fatal(err)
		}
		return up.Offset == size
	})
	close(end)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

const trickleSize = 1400

// trickle returns one packet at a time and yields to other goroutines.
type trickle struct{}

func (trickle) Read(p []byte) (int, error) {
	runtime.Gosched()
	return min(len(p), trickleSize), nil
}

// TestMemoryOfManyUploads keeps 50 uploads open. It is not parallel because it
// measures the memory of the process.
func TestMemoryOfManyUploads(t *testing.T) {
	const uploads, size, most = 50, 4 << 20, 20 << 20
	ctx := t.Context()
	s := open(t, t.TempDir())
	defer func() { _ = s.Close() }()
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := inUse()
	empty, end, done := make(chan struct{}, uploads), make(chan struct{}), make(chan error, uploads)
	for i := range uploads {
		id := fmt.Sprint("v", i)
		if err := s.Videos.Create(ctx, id, "a.mp4", size); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := s.Videos.Append(ctx, id, 0, &slow{io.LimitReader(zeros{}, size), empty, end})
			done <- err
		}()
	}
	for range uploads {
		<-empty
	}
	if grown := int64(inUse()) - int64(before); grown > most {
		t.Errorf("%d concurrent uploads use %d KiB, want at most %d", uploads, grown>>10, most>>10)
	} else {
		t.Logf("%d concurrent uploads use %d KiB", uploads, grown>>10)
	}
	close(end)
	for range uploads {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestNotEnoughSpace(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	defer func() { _ = s.Close() }()
	err := s.Videos.Create(t.Context(), "v1", "a.mp4", 1<<60)
	if sx.CodeOf(err) != sx.CodeStorageFull || !strings.Contains(err.Error(), " is free") {
		t.Errorf("Create returned %v, want code storage_full and the free space", err)
	}
}
