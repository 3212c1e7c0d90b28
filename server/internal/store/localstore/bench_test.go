package localstore_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

const benchSize = 256 << 20

// BenchmarkAppend compares with BenchmarkPlainFile: the same bytes
// written to a file and synced, without digest or resumption.
func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir())
	defer func() { _ = s.Close() }()
	b.SetBytes(benchSize)
	for i := range b.N {
		id := fmt.Sprint("v", i)
		if err := s.Videos.Create(b.Context(), id, "a.mp4", benchSize); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		n, err := s.Videos.Append(b.Context(), id, 0, io.LimitReader(zeros{}, benchSize))
		b.StopTimer()
		if err != nil || n != benchSize {
			b.Fatalf("%d bytes, %v", n, err)
		}
		if err := s.Videos.Remove(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlainFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "file")
	b.SetBytes(benchSize)
	for range b.N {
		b.StartTimer()
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(f, io.LimitReader(zeros{}, benchSize)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		_ = f.Close()
		b.StopTimer()
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendMany runs 50 uploads at the same time.
func BenchmarkAppendMany(b *testing.B) {
	const uploads, size = 50, benchSize / 50
	s := open(b, b.TempDir())
	defer func() { _ = s.Close() }()
	b.SetBytes(uploads * size)
	for i := range b.N {
		var wg sync.WaitGroup
		for k := range uploads {
			id := fmt.Sprint("v", i, "-", k)
			if err := s.Videos.Create(b.Context(), id, "a.mp4", size); err != nil {
				b.Fatal(err)
			}
			wg.Go(func() {
				if _, err := s.Videos.Append(b.Context(), id, 0, io.LimitReader(zeros{}, size)); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
}
