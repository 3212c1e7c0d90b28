// Package audioonly takes the audio of a video out of it without copying anything: what
// is left is a virtual file over ranges of the source. An MP3 that is made from it has the
// same bytes as one made from the whole file; what the missing pictures would change, such
// as where the file's clock begins, is kept by a stub. Files for which this is not certain
// are refused with a WholeFileError.
package audioonly

import (
	"errors"
	"fmt"
	"io"

	"github.com/soundextract/sx/server/sniff"
	"github.com/soundextract/sx/server/sx"
)

// Version is the version of the virtual files' form. It increases whenever the same source
// gives other bytes than before.
const Version = 1

// Options select what is taken from the source.
type Options struct {
	// Track selects the audio track as sx.Options.Track does. Empty means all of them.
	Track string
	// Index refuses files whose index is not in one place, or has more than 64 MiB, so that
	// Open reads little else, and those whose description would need more than 8 MiB of memory.
	Index bool
}

// WholeFileError is the error of Open if the whole file should be sent.
type WholeFileError struct {
	Reason string // one clause, such as: the file is encrypted
}

// Error implements error.
func (e *WholeFileError) Error() string { return e.Reason }

func wholeFile(format string, args ...any) error {
	return &WholeFileError{Reason: fmt.Sprintf(format, args...)}
}

// File is the virtual file. The same source and options always give the same bytes. It is
// safe for concurrent use if the source is.
type File struct {
	r         io.ReaderAt
	container string
	layout    *layout
}

// Open reads the index of a video of size bytes. It returns a *WholeFileError if the whole
// file should be sent: because its audio cannot be taken out, the result might differ, or
// it would save less than a fifth. Errors of r are wrapped.
//
// It holds a few bytes of memory for each range of the source, and reads r only up to the
// end of the index, or, where a container has none, the headers of its packets.
func Open(r io.ReaderAt, size int64, o Options) (*File, error) {
	format, err := sniff.Read(io.NewSectionReader(r, 0, size))
	if e, ok := errors.AsType[*sx.Error](err); ok {
		return nil, wholeFile("%s", e.Message)
	}
	if err != nil {
		return nil, err
	}
	var f *File
	if o.Index && format.Demuxer != "mov" {
		return nil, wholeFile("%s files have no index", format.Name)
	}
	switch format.Demuxer {
	case "mov":
		f, err = openMP4(r, size, o)
	case "matroska":
		f, err = openMKV(r, size, o)
	case "mpegts":
		f, err = openTS(r, size, o)
	default:
		return nil, wholeFile("the audio cannot be taken out of %s files", format.Name)
	}
	if err != nil {
		return nil, err
	}
	if f.Size() > size/5*4 {
		return nil, wholeFile("the file is almost only audio")
	}
	return f, nil
}

// newFile returns the virtual file that l describes. l may not change afterwards.
func newFile(r io.ReaderAt, container string, l *layout) *File {
	l.flush()
	return &File{r: r, container: container, layout: l}
}

// Size returns the size in bytes.
func (f *File) Size() int64 { return f.layout.size }

// Container returns the name of the container format, such as Matroska.
func (f *File) Container() string { return f.container }

// ReadAt implements io.ReaderAt. If the source has become shorter, the error is
// io.ErrUnexpectedEOF.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("reading the audio: negative offset")
	}
	n := 0
	for c := f.layout.seek(off); n < len(p) && c.next(); {
		want := p[n:min(int64(len(p)), int64(n)+c.n)]
		if c.literal {
			n += f.layout.literals.copyAt(want, c.at)
			continue
		}
		got, err := f.r.ReadAt(want, c.at)
		n += got
		switch {
		case got == len(want):
		case err == nil || errors.Is(err, io.EOF):
			return n, io.ErrUnexpectedEOF
		default:
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
