// Package uploads brings files to the server and remembers unfinished ones, so
// that after a crash, a reboot or a lost network the same command goes on where
// it stopped.
package uploads

import (
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
	"github.com/soundextract/sx/server/sx"
)

// forgetAfter is when a record of an upload that nobody went on with is
// removed; the server has given up the upload long before.
const forgetAfter = 30 * 24 * time.Hour

// Records is the folder in which unfinished uploads are remembered: one file
// per upload, named by its fingerprint.
type Records struct {
	Dir     string
	Account string // the server and account that the uploads belong to
}

// record is what is remembered of one upload. While it is open, no other run of
// sx can open it.
type record struct {
	Account string    `json:"account"`
	Path    string    `json:"path"`
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mod_time"`
	ID      string    `json:"id,omitempty"` // "" until the upload is created
	Created time.Time `json:"created,omitzero"`

	file string
	lock *filelock.Lock
}

// fingerprint tells the uploads of an account apart: another size, time or
// option makes it another upload.
func (r *Records) fingerprint(f mediafiles.File, options sx.Options) (string, error) {
	raw, err := json.Marshal([]any{r.Account, f.Path, f.Size, f.ModTime.UnixNano(), options})
	if err != nil {
		return "", fmt.Errorf("make fingerprint: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16]), nil
}

func (r *Records) file(fingerprint string) string { return filepath.Join(r.Dir, fingerprint+".json") }

// open gives the record of a file, an empty one when there is none. Another run
// of sx at the same file is an *sx.Error.
func (r *Records) open(f mediafiles.File, options sx.Options) (*record, error) {
	name, err := r.fingerprint(f, options)
	if err != nil {
		return nil, err
	}
	rec, err := load(r.file(name))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, sx.NewError(sx.CodeInvalid, "another sx is at work on this file").
			WithHint("wait for it, or end it and run the same command again")
	}
	if err != nil {
		return nil, err
	}
	rec.Account, rec.Path, rec.Size, rec.ModTime = r.Account, f.Path, f.Size, f.ModTime
	return rec, nil
}

// stale gives the records of what the file was before it changed, and drops
// records that are too old to be of use. Those in use elsewhere are left out.
func (r *Records) stale(f mediafiles.File) []*record {
	names, _ := filepath.Glob(filepath.Join(r.Dir, "*.json")) // the pattern is good
	var found []*record
	for _, name := range names {
		peek, err := read(name)
		if err != nil || peek.Account != r.Account {
			continue
		}
		old := time.Since(peek.Created) > forgetAfter
		changed := peek.Path == f.Path && (peek.Size != f.Size || !peek.ModTime.Equal(f.ModTime))
		if !old && !changed {
			continue
		}
		rec, err := load(name)
		if err != nil {
			continue
		}
		if changed && rec.ID != "" {
			found = append(found, rec)
			continue
		}
		rec.forget()
		rec.close()
	}
	return found
}

func load(file string) (*record, error) {
	lock, err := filelock.Try(strings.TrimSuffix(file, ".json") + ".lock")
	if err != nil {
		return nil, err
	}
	rec, err := read(file)
	if err != nil {
		lock.Release()
		return nil, err
	}
	rec.file, rec.lock = file, lock
	return rec, nil
}

func read(file string) (*record, error) {
	raw, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what is remembered of the upload: %w", err)
	}
	rec := &record{}
	if !json.Valid(raw) || json.Unmarshal(raw, rec) != nil {
		rec = &record{} // it was damaged, or is not there: the upload starts anew
	}
	return rec, nil
}

// save writes the record so that a crash leaves the old or the new one.
func (rec *record) save() error {
	raw, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(rec.file), ".record-*") // mode 0600
	if err != nil {
		return fmt.Errorf("remember the upload: %w", err)
	}
	_, err = temp.Write(raw)
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), rec.file)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return fmt.Errorf("remember the upload: %w", err)
	}
	return nil
}

// forget removes the record; it stays open.
func (rec *record) forget() {
	// A record that stays only costs one question to the server the next time.
	_ = os.Remove(rec.file)
	rec.ID = ""
}

func (rec *record) close() { rec.lock.Release() }
