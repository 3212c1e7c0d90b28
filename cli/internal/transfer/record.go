package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/soundextract/sx/cli/internal/filelock"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/sx"
)

// recordLifetime is how long the record of an abandoned upload is kept. The upload
// itself expires much earlier.
const recordLifetime = 30 * 24 * time.Hour

// UploadRecords is a directory of records of unfinished uploads, with which the same
// command continues after a crash or a reboot. Each upload has a file, named by its
// fingerprint.
type UploadRecords struct {
	Dir     string
	Account string // the server and account that the uploads belong to
}

// uploadRecord is the record of one upload. Only one process can have it open.
type uploadRecord struct {
	Account string    `json:"account"`
	Path    string    `json:"path"` // of several files that are joined, one in each line
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mod_time"`
	ID      string    `json:"id,omitempty"` // "" until the upload is created
	// Key is the idempotency key of the upload's creation, until its response arrives.
	Key     string    `json:"key,omitempty"`
	Created time.Time `json:"created,omitzero"`
	// Identity is that of what is sent; see Source.Identity.
	Identity string `json:"identity,omitempty"`

	file string
	lock *filelock.Lock
}

// fingerprint identifies an upload by account, path, size, modification time and
// options.
func (r *UploadRecords) fingerprint(f mediafiles.File, options sx.Options) (string, error) {
	of := []any{r.Account, f.Path, f.Size, f.ModTime.UnixNano(), options}
	for _, one := range f.Joined {
		of = append(of, one.Path, one.Size, one.ModTime.UnixNano())
	}
	raw, err := json.Marshal(of)
	if err != nil {
		return "", fmt.Errorf("compute the fingerprint: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16]), nil
}

func (r *UploadRecords) file(fingerprint string) string {
	return filepath.Join(r.Dir, fingerprint+".json")
}

// open returns the record of a file, which is empty if there is none. While another
// process has it open, open waits, and first calls waiting.
func (r *UploadRecords) open(ctx context.Context, f mediafiles.File, options sx.Options, waiting func()) (*uploadRecord, error) {
	name, err := r.fingerprint(f, options)
	if err != nil {
		return nil, err
	}
	lock, err := filelock.Wait(ctx, lockOf(r.file(name)), waiting)
	if err != nil {
		return nil, err
	}
	rec, err := lockedRecord(r.file(name), lock)
	if err != nil {
		return nil, err
	}
	rec.Account, rec.Path, rec.Size, rec.ModTime = r.Account, paths(f), f.Size, f.ModTime
	return rec, nil
}

// paths identifies the files that are sent together, whatever their content.
func paths(f mediafiles.File) string {
	var list []string
	for _, one := range f.All() {
		list = append(list, one.Path)
	}
	return strings.Join(list, "\n")
}

// stale returns the records of earlier contents of the file, and removes expired
// records. It skips those that another process has open.
func (r *UploadRecords) stale(f mediafiles.File) []*uploadRecord {
	names, _ := filepath.Glob(filepath.Join(r.Dir, "*.json")) // the pattern is well-formed
	var found []*uploadRecord
	for _, name := range names {
		peek, err := readRecord(name)
		if err != nil || peek.Account != r.Account {
			continue
		}
		old := time.Since(peek.Created) > recordLifetime
		changed := peek.Path == paths(f) && (peek.Size != f.Size || !peek.ModTime.Equal(f.ModTime))
		if !old && !changed {
			continue
		}
		lock, err := filelock.Try(lockOf(name))
		if err != nil {
			continue
		}
		rec, err := lockedRecord(name, lock)
		if err != nil {
			continue
		}
		if changed && rec.ID != "" {
			found = append(found, rec)
			continue
		}
		rec.remove()
		rec.close()
	}
	return found
}

// lockOf returns the path of the lock of the record in the file.
func lockOf(file string) string { return strings.TrimSuffix(file, ".json") + ".lock" }

// lockedRecord reads the record in the file. It takes over the lock, also if it fails.
func lockedRecord(file string, lock *filelock.Lock) (*uploadRecord, error) {
	rec, err := readRecord(file)
	if err != nil {
		lock.Release()
		return nil, err
	}
	rec.file, rec.lock = file, lock
	return rec, nil
}

func readRecord(file string) (*uploadRecord, error) {
	raw, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the upload's record: %w", err)
	}
	rec := &uploadRecord{}
	if !json.Valid(raw) || json.Unmarshal(raw, rec) != nil {
		rec = &uploadRecord{} // if it is missing or damaged, the upload starts again
	}
	return rec, nil
}

func (rec *uploadRecord) save() error {
	raw, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode the upload's record: %w", err)
	}
	if err := atomicfile.Write(rec.file, raw, 0o600); err != nil {
		return fmt.Errorf("save the upload's record: %w", err)
	}
	return nil
}

// remove removes the record's file; the record stays open.
func (rec *uploadRecord) remove() {
	// If this fails, the next run sends one unnecessary request.
	_ = os.Remove(rec.file)
	rec.ID, rec.Key = "", ""
}

func (rec *uploadRecord) close() { rec.lock.Release() }
