package knownfiles

import (
	"context"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Index finds MP3s in directories by content. Its methods may be called from several
// goroutines.
type Index struct {
	records *Records

	mu     sync.Mutex
	bySize map[int64][]string
}

// maxIndexed limits the number of MP3s of an index.
const maxIndexed = 200_000

// NewIndex returns an empty index.
func (r *Records) NewIndex() *Index { return &Index{records: r, bySize: map[int64][]string{}} }

// Index returns the index of the MP3s below the directory, except hidden ones; dir need
// not exist. deep reports whether subdirectories count.
func (r *Records) Index(dir string, deep bool) *Index {
	x := r.NewIndex()
	dir = canonical(dir) // WalkDir does not follow a link to a directory
	n := 0
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error { // what cannot be read is not there
		hidden := path != dir && strings.HasPrefix(filepath.Base(path), ".")
		switch {
		case n == maxIndexed:
			return fs.SkipAll
		case err != nil, entry.IsDir() && (hidden || !deep && path != dir):
			return skipDir(entry)
		case !hidden && strings.EqualFold(filepath.Ext(path), ".mp3"):
			n++
			x.Add(path)
		}
		return nil
	})
	return x
}

func skipDir(entry fs.DirEntry) error {
	if entry != nil && entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// Add adds an MP3 to the index, or updates its size.
func (x *Index) Add(path string) {
	info, ok := isRegular(path)
	if !ok {
		return
	}
	path = canonical(path)
	x.mu.Lock()
	defer x.mu.Unlock()
	if same := x.bySize[info.Size()]; !slices.Contains(same, path) {
		x.bySize[info.Size()] = append(same, path)
	}
}

// Find returns the absolute path of an MP3 with the size in bytes and the lower-case hex
// SHA-256, and false if there is none. Only files of that size are read.
func (x *Index) Find(ctx context.Context, size int64, sha256 string) (string, bool) {
	x.mu.Lock()
	paths := slices.Clone(x.bySize[size])
	x.mu.Unlock()
	for _, path := range paths {
		if x.has(ctx, path, size, sha256) {
			return path, true
		}
	}
	return "", false
}

// Made returns the absolute paths of the MP3s that have the content which sx once wrote for
// a source's content and options (see Records.Wrote), in the order of their numbers, and
// false unless there are all that one job made.
func (x *Index) Made(ctx context.Context, made string) ([]string, bool) {
	for _, mp3s := range x.records.made(made) {
		if paths, ok := x.all(ctx, mp3s); ok {
			return paths, true
		}
	}
	return nil, false
}

func (x *Index) all(ctx context.Context, mp3s map[int][]MP3) (paths []string, ok bool) {
	for _, number := range slices.Sorted(maps.Keys(mp3s)) {
		at := ""
		for _, m := range mp3s[number] {
			if path, ok := x.Find(ctx, m.Size, m.Written); ok && m.Total <= len(mp3s) {
				at = path
			}
		}
		if at == "" {
			return nil, false
		}
		paths = append(paths, at)
	}
	return paths, true
}

func (x *Index) has(ctx context.Context, path string, size int64, sha256 string) bool {
	if info, ok := isRegular(path); !ok || info.Size() != size {
		return false
	}
	sum, err := x.records.Digest(ctx, path)
	return err == nil && sum == sha256
}
