package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

// openJoined opens what is sent of files that are joined: that of each, one after another.
func openJoined(ctx context.Context, f mediafiles.File, options sx.Options, whole bool) (*Source, error) {
	all := &Source{}
	for _, one := range f.Joined {
		src, err := OpenSource(ctx, one, options, whole)
		if err != nil {
			all.Close()
			if e, ok := errors.AsType[*sx.Error](err); ok {
				err = e.WithMessage("%s: %s", one.Name, e.Message)
			}
			return nil, err
		}
		all.joined = append(all.joined, src)
		all.size += src.size
		all.audio = all.audio || src.audio
		if all.whole == "" {
			all.whole = src.whole
		}
	}
	if all.audio {
		all.whole = ""
	}
	all.ReaderAt = joinedReader(all.joined)
	return all, nil
}

// sources describes the files for the server; nil if there is one.
func (s *Source) sources(f mediafiles.File) (list []sx.Source) {
	for i, src := range s.joined {
		list = append(list, sx.Source{Name: f.Joined[i].Name, Size: f.Joined[i].Size, Sent: src.size})
	}
	return list
}

// joinedReader reads sources one after another.
type joinedReader []*Source

// ReadAt implements io.ReaderAt.
func (r joinedReader) ReadAt(p []byte, off int64) (n int, err error) {
	for _, src := range r {
		if off >= src.size {
			off -= src.size
			continue
		}
		part := p[n:min(int64(len(p)), int64(n)+src.size-off)]
		got, err := src.ReadAt(part, off)
		n += got
		if got < len(part) {
			if errors.Is(err, io.EOF) { // the file has become shorter
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		if off = 0; n == len(p) {
			return n, nil
		}
	}
	return n, io.EOF
}

// SayJoined says which files are joined, in their order.
func SayJoined(display *term.ProgressDisplay, found mediafiles.Found) {
	for _, f := range found.Files {
		if f.Joined == nil {
			continue
		}
		display.Say(fmt.Sprintf("%d files are joined: %s", len(f.Joined), f.Names()))
		if found.Misordered {
			display.Say("they are in the order given; to sort them by their numbers, quote the pattern or name the directory")
		}
	}
}

// Sources returns the names of files that are joined; nil if there is one.
func Sources(f mediafiles.File) (names []string) {
	for _, one := range f.Joined {
		names = append(names, one.Name)
	}
	return names
}
