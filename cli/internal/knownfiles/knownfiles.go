// Package knownfiles remembers files between runs: the identity of a source and the
// digest of an MP3, so that unchanged files are not read again, and what each MP3 was
// made from. Losing its file costs time, nothing else.
package knownfiles

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/soundextract/sx/cli/internal/filelock"
	"github.com/soundextract/sx/server/atomicfile"
)

// Limits of the file. The files that were used longest ago are forgotten first.
const (
	maxFiles = 20_000 // of each kind
	maxBytes = 64 << 20
)

// saveInterval is the shortest time between two saves of a long run.
const saveInterval = 2 * time.Second

// Records are the known files. They are shared by all runs of sx: each merges what it
// learned into the file. Their methods may be called from several goroutines.
type Records struct {
	// Reread makes Identity and Digest read files that have not changed.
	Reread bool

	path string

	mu    sync.Mutex
	all   contents
	fresh contents // what this run learned since it last saved
	saved time.Time
}

// contents is the form of the file.
type contents struct {
	Sources map[string]source `json:"sources"` // by path and variant
	MP3s    map[string]MP3    `json:"mp3s"`    // by path
}

// source is what is known of a file that was converted.
type source struct {
	Stamp    string `json:"stamp"`
	Identity string `json:"identity"`
	Used     int64  `json:"used"` // Unix seconds
}

// MP3 is what is known of an MP3.
type MP3 struct {
	Stamp  string `json:"stamp"`
	SHA256 string `json:"sha256"` // of its content when it had the stamp
	// The rest is about an MP3 that sx wrote, as it wrote it.
	Written string `json:"written,omitempty"` // its SHA-256
	Size    int64  `json:"size,omitempty"`    // bytes
	Source  string `json:"source,omitempty"`  // the path of the file that it was made from
	Made    string `json:"made,omitempty"`    // identifies the source's content and the options
	Job     string `json:"job,omitempty"`     // the ID of its job
	// Number and Total say which of several MP3s it is; 0 if it is the only one.
	Number int   `json:"number,omitempty"`
	Total  int   `json:"total,omitempty"`
	Used   int64 `json:"used"` // Unix seconds
}

// Open reads the records in the state directory. What is missing or damaged counts as
// empty.
func Open(stateDir string) *Records {
	r := &Records{path: filepath.Join(stateDir, "files.json"), fresh: newContents(), saved: time.Now()}
	r.all = r.read()
	return r
}

func newContents() contents {
	return contents{Sources: map[string]source{}, MP3s: map[string]MP3{}}
}

func (r *Records) read() contents {
	c := newContents()
	if info, err := os.Stat(r.path); err != nil || info.Size() > maxBytes {
		return c
	}
	raw, err := os.ReadFile(r.path)
	if err != nil || !json.Valid(raw) || json.Unmarshal(raw, &c) != nil || c.Sources == nil || c.MP3s == nil {
		return newContents()
	}
	return c
}

// Identity returns the identity of the source at path, which compute determines by
// reading it if it is not known. variant distinguishes identities of one file, such as
// those of different audio tracks.
func (r *Records) Identity(path, variant string, compute func() (string, error)) (string, error) {
	key := sourceKey(path, variant)
	before, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	known, ok := r.all.Sources[key]
	r.mu.Unlock()
	if !ok || known.Stamp != stamp(before) || r.Reread {
		known = source{Stamp: stamp(before)}
		if known.Identity, err = compute(); err != nil {
			return "", err
		}
		if after, err := os.Stat(path); err != nil || stamp(after) != known.Stamp {
			return known.Identity, nil // it changed meanwhile; the sender will notice
		}
	}
	known.Used = time.Now().Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all.Sources[key], r.fresh.Sources[key] = known, known
	return known.Identity, nil
}

// Stamp returns what distinguishes the content of the file at path from earlier ones, as far
// as that is known without reading it; "" if there is none.
func Stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return stamp(info)
}

// sourceKey is the key of the record of a source.
func sourceKey(path, variant string) string {
	key := canonical(path)
	if variant != "" {
		key += "\x00" + variant
	}
	return key
}

// Forget makes the next call of Identity read the source.
func (r *Records) Forget(path, variant string) {
	key := sourceKey(path, variant)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all.Sources, key)
	delete(r.fresh.Sources, key)
}

// Digest returns the lower-case hex SHA-256 of the MP3 at path, which is read only if it
// has changed since it was last read.
func (r *Records) Digest(ctx context.Context, path string) (string, error) {
	path = canonical(path)
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	known := r.all.MP3s[path]
	r.mu.Unlock()
	if known.Stamp != stamp(info) || r.Reread {
		known.Stamp = stamp(info)
		if known.SHA256, err = digest(ctx, path); err != nil {
			return "", err
		}
	}
	r.put(path, known)
	return known.SHA256, nil
}

func digest(ctx context.Context, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, reader{ctx, file}); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// reader ends with the error of its context.
type reader struct {
	ctx context.Context //nolint:containedctx // used for one copy
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Wrote records an MP3 that sx has just written or found in its place: its digest SHA256,
// Source, Made, Job, and Number and Total. The other fields are set.
func (r *Records) Wrote(path string, m MP3) {
	path = canonical(path)
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	if m.Source != "" {
		m.Source = canonical(m.Source)
	}
	m.Stamp, m.Written, m.Size = stamp(info), m.SHA256, info.Size()
	r.put(path, m)
}

// In returns the MP3s in the directory that sx wrote and that still exist.
func (r *Records) In(dir string) (list []MP3) {
	dir = canonical(dir)
	r.mu.Lock()
	defer r.mu.Unlock()
	for path, m := range r.all.MP3s {
		if m.Written != "" && filepath.Dir(path) == dir {
			if _, ok := isRegular(path); ok {
				list = append(list, m)
			}
		}
	}
	return list
}

func (r *Records) put(path string, m MP3) {
	m.Used = time.Now().Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all.MP3s[path], r.fresh.MP3s[path] = m, m
}

// MP3 returns what is known of the MP3 at path.
func (r *Records) MP3(path string) (MP3, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.all.MP3s[canonical(path)]
	return m, ok
}

// MadeFrom returns the paths of the MP3s that sx wrote from the source at path; they may
// not exist any longer.
func (r *Records) MadeFrom(path string) (paths []string) {
	path = canonical(path)
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, m := range r.all.MP3s {
		if m.Source == path {
			paths = append(paths, at)
		}
	}
	return paths
}

// made returns what each job made of a source's content and options, as far as it was
// written: the MP3s by their numbers, of which one may have been written several times.
func (r *Records) made(made string) map[string]map[int][]MP3 {
	r.mu.Lock()
	defer r.mu.Unlock()
	jobs := map[string]map[int][]MP3{}
	for _, m := range r.all.MP3s {
		if m.Made != made {
			continue
		}
		if jobs[m.Job] == nil {
			jobs[m.Job] = map[int][]MP3{}
		}
		jobs[m.Job][m.Number] = append(jobs[m.Job][m.Number], m)
	}
	return jobs
}

// SaveSometimes saves if the last save was some time ago.
func (r *Records) SaveSometimes(ctx context.Context) {
	r.mu.Lock()
	due := time.Since(r.saved) > saveInterval
	r.mu.Unlock()
	if due {
		_ = r.Save(ctx) // the next one may succeed
	}
}

// lockTimeout is how long Save waits for another run that saves.
const lockTimeout = 5 * time.Second

// Save merges what this run learned into the file.
func (r *Records) Save(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saved = time.Now()
	if len(r.fresh.Sources)+len(r.fresh.MP3s) == 0 {
		return nil
	}
	lock, err := r.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	merged := r.read()
	maps.Copy(merged.Sources, r.fresh.Sources)
	maps.Copy(merged.MP3s, r.fresh.MP3s)
	forget(merged.Sources, func(s source) int64 { return s.Used })
	forget(merged.MP3s, func(m MP3) int64 { return m.Used })
	raw, err := json.Marshal(merged)
	if err != nil {
		return fmt.Errorf("encode the known files: %w", err)
	}
	if err := atomicfile.Write(r.path, raw, 0o600); err != nil {
		return fmt.Errorf("save the known files: %w", err)
	}
	r.all, r.fresh = merged, newContents()
	return nil
}

func (r *Records) lock(ctx context.Context) (*filelock.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	return filelock.Wait(ctx, r.path+".lock", func() {})
}

// forget removes the entries that were used longest ago if there are too many.
func forget[V any](entries map[string]V, used func(V) int64) {
	if len(entries) <= maxFiles {
		return
	}
	keys := slices.SortedFunc(maps.Keys(entries), func(a, b string) int {
		return cmp.Compare(used(entries[a]), used(entries[b]))
	})
	for _, key := range keys[:len(keys)-maxFiles] {
		delete(entries, key)
	}
}

// canonical returns the absolute path without symbolic links, as far as it exists.
func canonical(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if final, err := filepath.EvalSymlinks(abs); err == nil {
		return final
	}
	return abs
}

// Same reports whether a path of a record is that of the file at path.
func Same(recorded, path string) bool { return recorded == canonical(path) }

// isRegular reports whether there is a regular file at path, following links.
func isRegular(path string) (fs.FileInfo, bool) {
	info, err := os.Stat(path)
	return info, err == nil && info.Mode().IsRegular()
}
