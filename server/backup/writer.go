package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Version is the version of the archive's layout.
const Version = 1

// Header is the first entry of an archive.
type Header struct {
	// Version is the version of the layout.
	Version int `json:"version"`
	// Format is the format of the documents (see docs/decisions/0039-stored-formats.md).
	Format int `json:"format"`
	// Release wrote the backup.
	Release string    `json:"release"`
	Created time.Time `json:"created"`
}

// end is the last entry. It has no field that a reader does not compute itself.
type end struct {
	Entries int64  `json:"entries"` // before this one
	Bytes   int64  `json:"bytes"`   // of the archive before this entry
	SHA256  string `json:"sha256"`  // of these bytes, in lower-case hex
}

const (
	headerName = "backup.json"
	endName    = "end.json"
)

// progress is what a writer and a reader compute alike.
type progress struct {
	entries, bytes int64
	sum            hash.Hash
}

func newProgress() progress { return progress{sum: sha256.New()} }

func (p *progress) add(b []byte) {
	p.bytes += int64(len(b))
	p.sum.Write(b)
}

// end returns everything that follows the last entry but one.
func (p *progress) end() []byte {
	data, err := json.Marshal(end{p.entries, p.bytes, hex.EncodeToString(p.sum.Sum(nil))})
	if err != nil {
		panic(err) // numbers and a text can always be encoded
	}
	return append(entry(endName, data), trailer...)
}

func entry(name string, data []byte) []byte {
	b := append(header(name, len(data)), data...)
	return append(b, make([]byte, padding(len(data)))...)
}

// Writer writes an archive. It must not be used by several goroutines. It refuses what a
// reader would refuse, and everything after an error: an archive that is closed can be read.
type Writer struct {
	out io.Writer
	progress
	check scan
	err   error // of an earlier call
}

// NewWriter begins an archive.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	h.Version = Version
	data, err := encode(headerName, h)
	if err != nil {
		return nil, err
	}
	w := newWriter(out)
	return w, w.put(headerName, data)
}

func newWriter(out io.Writer) *Writer {
	return &Writer{out: out, progress: newProgress(), check: newScan(Ignore{})}
}

// Write adds an entry.
func (w *Writer) Write(name string, data []byte) error {
	if w.err != nil {
		return w.err
	}
	if len(data) > MaxData {
		w.err = fmt.Errorf("the entry %s of the backup has %d bytes; at most %d are allowed", name, len(data), MaxData)
		return w.err
	}
	err := checkName(name)
	if err == nil {
		err = w.check.entry(Entry{name, data})
	}
	if err != nil {
		w.err = refused(err)
		return w.err
	}
	return w.put(name, data)
}

// refused is the error of a writer whose archive a reader would refuse because of err. It
// has another code, because nothing was read.
func refused(err error) error {
	return sx.NewError(sx.CodeInternal, "the backup was not written, because nobody could read it: %v", err)
}

// put adds an entry without a check.
func (w *Writer) put(name string, data []byte) error {
	for _, b := range [][]byte{header(name, len(data)), data, make([]byte, padding(len(data)))} {
		if _, err := w.out.Write(b); err != nil {
			w.err = fmt.Errorf("write the backup: %w", err)
			return w.err
		}
		w.add(b)
	}
	w.entries++
	return nil
}

// JSON adds an entry with a document.
func (w *Writer) JSON(name string, doc any) error {
	data, err := encode(name, doc)
	if err != nil {
		w.err = err
		return err
	}
	return w.Write(name, data)
}

func encode(name string, doc any) ([]byte, error) {
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return append(data, '\n'), nil
}

// Close ends the archive: without it, readers refuse the archive. It does not close the
// writer that it was created with.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if err := w.check.end(io.EOF); err != nil {
		return refused(err)
	}
	if _, err := w.out.Write(w.end()); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}
