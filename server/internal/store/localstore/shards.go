package localstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// shards is a directory whose files are in subdirectories by the beginning of their
// names, so that a page of them can be listed without reading all names.
type shards struct {
	dir string

	mu       sync.Mutex
	prepared map[string]bool // the subdirectories that this process has synced
}

func newShards(dir string) *shards { return &shards{dir: dir, prepared: map[string]bool{}} }

// otherShard has the files whose names do not begin with two lower-case letters or
// digits; the IDs of the services never do.
const otherShard = "_"

func shard(id string) string {
	if len(id) < 2 || strings.Trim(id[:2], "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return otherShard
	}
	return id[:2]
}

func (s *shards) path(id string) string { return filepath.Join(s.dir, shard(id), id) }

// prepare creates the subdirectory of a file, durably. An existing one may have been
// created by a process that was killed before it could sync it.
func (s *shards) prepare(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := shard(id)
	if s.prepared[name] {
		return nil
	}
	if err := os.Mkdir(filepath.Join(s.dir, name), dirMode); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := syncDir(s.dir); err != nil {
		return err
	}
	s.prepared[name] = true
	return nil
}

// list returns the names of at most limit files, and the cursor of the next ones, "" if
// there are none. It reads the names of the subdirectories, and those of the files only
// in subdirectories from which it returns some.
func (s *shards) list(cursor string, limit int) (names []string, next string, err error) {
	from, after, _ := strings.Cut(cursor, "/")
	dirs, err := fileNames(s.dir)
	if err != nil {
		return nil, "", err
	}
	for _, dir := range dirs {
		if dir < from {
			continue
		}
		if dir > from {
			after = ""
		}
		files, err := fileNames(filepath.Join(s.dir, dir))
		if err != nil {
			return nil, "", err
		}
		for _, name := range files {
			if name <= after {
				continue
			}
			if len(names) == limit {
				return names, next, nil
			}
			names, next = append(names, name), dir+"/"+name
		}
	}
	return names, "", nil
}

// fileNames returns the names of the directory's files, sorted.
func fileNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}
