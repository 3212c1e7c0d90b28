package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/soundextract/sx/server/sx"
)

// Entry is a file of an archive.
type Entry struct {
	Name string
	Data []byte // valid until the next entry is read
}

// Reader reads an archive. It must not be used by several goroutines.
type Reader struct {
	Header Header
	in     io.Reader
	progress
	head   [block]byte
	buffer []byte
	err    error // of an earlier call
}

// NewReader reads the beginning of an archive. It returns an *sx.Error of code
// backup_damaged for anything else, and one of code stored_format for the layout of a later
// release.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: in, progress: newProgress()}
	h := &r.Header
	e, err := r.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, damaged("it is empty")
	case err != nil && r.bytes == 0 && sx.CodeOf(err) == sx.CodeBackupDamaged:
		return nil, damaged("it does not begin like a backup").
			WithHint("name a file to which a backup was written")
	case err != nil:
		return nil, err
	case e.Name != headerName:
		return nil, damaged("it begins with %s, not with %s", e.Name, headerName)
	}
	if err := e.Decode(h); err != nil {
		return nil, err
	}
	h.Release = sx.CleanLine(h.Release, 64)
	if h.Version > Version {
		return nil, sx.NewError(sx.CodeStoredFormat, "the backup has version %d, which release %s wrote; this release, %s, reads version %d",
			h.Version, h.Release, sx.Version, Version).WithHint("use release %s or a later one", h.Release)
	}
	return r, nil
}

// Next returns the next entry, or io.EOF once the archive has ended and has proved complete
// and unchanged. Until then, nothing that it has returned is verified.
func (r *Reader) Next() (Entry, error) {
	if r.err != nil {
		return Entry{}, r.err
	}
	e, err := r.next()
	r.err = err
	return e, err
}

func (r *Reader) next() (Entry, error) {
	if err := r.fill(r.head[:]); err != nil {
		return Entry{}, err
	}
	name, size, err := parseHeader(r.head[:])
	if err != nil {
		return Entry{}, err
	}
	if name == endName {
		return Entry{}, r.finish()
	}
	full := size + padding(size)
	if cap(r.buffer) < full {
		r.buffer = make([]byte, full)
	}
	data := r.buffer[:full]
	if err := r.fill(data); err != nil {
		return Entry{}, err
	}
	r.add(r.head[:])
	r.add(data)
	r.entries++
	return Entry{name, data[:size]}, nil
}

// finish compares the rest of the stream, of which the first header was read, with the
// only end that the archive can have.
func (r *Reader) finish() error {
	want := r.end()
	rest := make([]byte, len(want)-block)
	if err := r.fill(rest); err != nil {
		return err
	}
	if !bytes.Equal(r.head[:], want[:block]) || !bytes.Equal(rest, want[block:]) {
		return damaged("its digest does not match")
	}
	switch n, err := io.ReadFull(r.in, r.head[:1]); {
	case n > 0:
		return damaged("something follows its end")
	case errors.Is(err, io.EOF):
		return io.EOF
	default:
		return readError(err)
	}
}

func (r *Reader) fill(b []byte) error {
	_, err := io.ReadFull(r.in, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("it is incomplete: it ends after %s", sx.FormatSize(r.bytes)).
			WithHint("the program that wrote it was interrupted: create another backup")
	}
	return readError(err)
}

// Decode decodes the entry as a document.
func (e Entry) Decode(doc any) error {
	if err := json.Unmarshal(e.Data, doc); err != nil {
		return damaged("the document %s cannot be decoded: %v", e.Name, err)
	}
	return nil
}
