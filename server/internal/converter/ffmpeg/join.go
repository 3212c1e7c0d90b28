package ffmpeg

import (
	"context"
	"errors"
	"fmt"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/sniff"
	"github.com/soundextract/sx/server/sx"
)

// file is a file in the video: all of it, or one of those that are joined, or several
// transport streams of which each continues the one before, so that together they are one.
type file struct {
	name      string // "" unless files are joined
	base, end int64  // offsets in the video
	format    sniff.Format
}

// filesOf returns the files of the video.
func filesOf(in *source, input converter.Input) ([]file, error) {
	if input.Files == nil {
		format, err := sniff.Read(in.between(0, in.size))
		return []file{{end: in.size, format: format}}, err
	}
	var list []file
	at := int64(0)
	for _, f := range input.Files {
		next := file{name: f.Name, base: at, end: at + f.Size}
		if next.end > in.size {
			break
		}
		var err error
		if next.format, err = sniff.Read(in.between(next.base, next.end)); err != nil {
			return nil, named(f.Name, err)
		}
		list, at = append(list, next), next.end
	}
	if len(list) != len(input.Files) || at != in.size {
		return nil, fmt.Errorf("the video has %d bytes, which is not the total size of its files", in.size)
	}
	merged, name := list[:1], list[0].name
	for _, next := range list[1:] {
		last := &merged[len(merged)-1]
		continued, err := continuesTS(in, *last, next)
		switch {
		case err != nil:
			return nil, err
		case continued:
			last.end, last.name = next.end, name+" to "+next.name
		default:
			merged, name = append(merged, next), next.name
		}
	}
	return merged, nil
}

// named adds a file's name to an error that the file causes.
func named(name string, err error) error {
	e, ok := errors.AsType[*sx.Error](err)
	if !ok || !e.Code.Permanent() {
		return err
	}
	e = e.WithMessage("%s: %s", name, e.Message)
	if e.Hint == "" {
		e = e.WithHint("copy the file again, or leave it out")
	}
	return e
}

// joinedFile is a file that is joined to others.
type joinedFile struct {
	*conversion
	plan plan
	name string
}

// planJoined probes all files and decides how to convert them, so that one that cannot be
// converted is refused before anything is encoded. The MP3 has the highest rate and the most
// channels of them. Its tags are those of the first.
func (c *conversion) planJoined(ctx context.Context) (plan, error) {
	var list []joinedFile
	var all plan
	left := maxReport // the reports on all files are kept until the end
	for _, f := range c.files {
		sub := *c
		sub.maxReport = left
		sub.files, sub.base, sub.end, sub.format = nil, f.base, f.end, f.format
		p, err := sub.plan(ctx)
		if err != nil {
			return plan{}, named(f.name, err)
		}
		left -= p.found.size
		p.Copy, p.section = false, section{}
		if list == nil {
			all = p
			all.section = newSection(c.options)
		} else {
			all.Rate, all.Channels, all.decoded = max(all.Rate, p.Rate), max(all.Channels, p.Channels), max(all.decoded, p.decoded)
			if all.want.end == 0 || p.want.end == 0 {
				all.want = expectation{}
			} else {
				all.want.end += p.want.end
			}
		}
		list = append(list, joinedFile{&sub, p, f.name})
	}
	for i := range list {
		p := &list[i].plan
		p.Rate, p.Channels, p.decoded = all.Rate, all.Channels, all.decoded
	}
	all.joined = list
	return all, nil
}
