// Package mediafiles resolves the FILE, DIR, GLOB and - arguments of a command to
// files, and reports what is wrong with each before any is uploaded.
package mediafiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sniff"
	"github.com/soundextract/sx/server/sx"
)

// File is a file to upload, in its state when it was found.
type File struct {
	Path string // absolute
	// Name is the path relative to the directory that was named, with slashes, such as
	// week1/intro.mp4, cleaned by sx.SourceName.
	Name    string
	Size    int64 // bytes
	ModTime time.Time
	// Pipe is the path of a named pipe, or Stdin, from which the content must be read
	// first; then Path, Size and ModTime are not set. "" for a file.
	Pipe string
	// Joined are the files that become one MP3, in their order, if there are several; then
	// Path and Name are those of the first, Size is that of all together and ModTime that of
	// the newest.
	Joined []File
}

// All returns the files that are joined, or the file itself.
func (f File) All() []File {
	if f.Joined != nil {
		return f.Joined
	}
	return []File{f}
}

// Stdin is the argument that stands for standard input.
const Stdin = "-"

// Failure is a file that cannot be used, or an argument for which there is none.
type Failure struct {
	Name string
	Err  *sx.Error // its message does not contain the name
}

// Found is what the arguments of a command select.
type Found struct {
	Files    []File
	Failures []Failure
	Skipped  Skipped
	// Several reports whether there can be more than one file: then a command's
	// output is a directory.
	Several bool
	// Misordered reports that files that are joined were given in another order than that of
	// their numbers.
	Misordered bool
}

// Skipped counts what was left out of directories. Hidden files do not count.
type Skipped struct {
	Other int // not media
	MP3   int
	Links int // to directories

	Unwanted int // see Select
}

// String describes the files that were skipped, such as "2 files skipped: 1 is not
// media, 1 is an MP3"; "" if there are none.
func (s Skipped) String() string {
	total := s.Other + s.MP3 + s.Links + s.Unwanted
	if total == 0 {
		return ""
	}
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{
		{s.Other, "is not media", "are not media"},
		{s.MP3, "is an MP3", "are MP3s"},
		{s.Links, "is a link to a directory", "are links to directories"},
		{s.Unwanted, "is excluded", "are excluded"},
	} {
		switch {
		case p.n == 1:
			parts = append(parts, "1 "+p.one)
		case p.n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.many))
		}
	}
	files := "files"
	if total == 1 {
		files = "file"
	}
	return fmt.Sprintf("%d %s skipped: %s", total, files, strings.Join(parts, ", "))
}

// extensions are those of files that are taken for media without reading them, so that
// one that is empty or damaged is reported. Other files are recognised by content.
var extensions = []string{
	".3g2", ".3gp", ".aac", ".aif", ".aiff", ".asf", ".avi", ".flac", ".flv", ".m2ts", ".m4a", ".m4b",
	".m4v", ".mka", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".oga", ".ogg",
	".ogv", ".opus", ".vob", ".wav", ".webm", ".wma", ".wmv",
}

// HasMediaExtension reports whether the file name has an extension of media files.
func HasMediaExtension(name string) bool {
	extension := strings.ToLower(filepath.Ext(name))
	return extension == ".mp3" || slices.Contains(extensions, extension)
}

// Messages of failures.
const (
	messageEmpty = "is empty"
	messageNone  = "no media files"
)

// Find returns the files that the arguments select, each once, in the order of the
// arguments; those of a directory are sorted by name. In directories it skips hidden
// files, MP3s, which are often the results of an earlier run, and what is not media. If
// there are several arguments, the names of files in a directory begin with its name. A
// file that is named itself, and is not media, is a failure with the server's code, so that
// nobody is asked for a server that would refuse it.
func Find(args []string) Found { return Select{}.Find(args) }

// Find is the function Find for the files that are wanted.
func (s Select) Find(args []string) Found { return s.find(args, true) }

// find is Find; content says whether to look into files that are named.
func (s Select) find(args []string, content bool) Found {
	f := finder{want: s, content: content, seen: map[string]bool{}}
	paths := f.expand(args)
	f.found.Several = len(paths) > 1
	for _, p := range paths {
		f.argument(p)
	}
	return f.found
}

type finder struct {
	want    Select
	join    bool // see FindJoined
	content bool // files that are named must have the content of media files
	found   Found
	seen    map[string]bool // paths with symbolic links resolved, to find duplicates
}

func (f *finder) fail(name, hint, format string, args ...any) {
	f.found.Failures = append(f.found.Failures, Failure{
		Name: sx.CleanText(name), Err: sx.NewError(sx.CodeInvalid, format, args...).WithHint("%s", hint),
	})
}

var address = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]+://`)

// expand replaces each pattern that the shell did not expand: the shell found no
// match, the pattern was quoted, or the shell leaves patterns to programs.
func (f *finder) expand(args []string) (paths []string) {
	for _, arg := range args {
		_, err := os.Lstat(arg)
		switch {
		case err == nil, arg == Stdin:
			paths = append(paths, arg)
		case address.MatchString(arg):
			f.fail(arg, "download it first, with yt-dlp or with: curl -fLO URL; then convert the file",
				"addresses cannot be converted")
		case strings.Contains(arg, "**"): // filepath.Glob takes it for *, and would leave out files
			f.fail(arg, "name the directory; --include selects some of its files, such as --include '*.mkv'", "** is not supported")
		case strings.ContainsAny(arg, "*?["):
			matches, err := filepath.Glob(arg)
			switch {
			case err != nil:
				f.fail(arg, "close each [ with ]", "is not a valid pattern")
			case len(matches) == 0:
				f.fail(arg, "check the pattern and the current directory", "no files match")
			}
			if f.join {
				slices.SortFunc(matches, compareNumbered)
			}
			paths = append(paths, matches...)
		default:
			f.unreadable(arg, err)
		}
	}
	return paths
}

func (f *finder) argument(name string) {
	if name == Stdin {
		f.pipe(name, "stdin")
		return
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.Mode()&fs.ModeNamedPipe != 0: // also /dev/stdin, and <(…) of a shell
		f.pipe(name, filepath.Base(name))
	case err == nil && info.IsDir():
		f.directory(name)
	case err == nil && !f.want.Keep(filepath.Base(name), false):
		f.found.Skipped.Unwanted++
	case err == nil:
		f.file(name, filepath.Base(name), f.content)
	default:
		f.unreadable(name, err)
	}
}

func (f *finder) pipe(from, name string) {
	if !f.seen[from] {
		f.seen[from] = true
		f.found.Files = append(f.found.Files, File{Name: sx.SourceName(name), Pipe: from})
	}
}

func (f *finder) unreadable(name string, err error) {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist) && isLink(name):
		f.fail(name, "point the link to an existing file, or remove it", "the link points to nothing")
	case errors.Is(err, fs.ErrNotExist):
		f.fail(name, "check the path and the current directory", "no such file")
	case errors.Is(err, fs.ErrPermission):
		f.fail(name, "make it readable, such as with: chmod u+r", "permission denied")
	case errors.As(err, &pathErr):
		f.fail(name, "check the path and the disk", "cannot be read: %v", pathErr.Err)
	default:
		f.fail(name, "check the path and the disk", "cannot be read: %v", err)
	}
}

func isLink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// file adds one file, and returns false if it was already found. If content is set, it must
// be a media file.
func (f *finder) file(at, name string, content bool) bool {
	abs, err := filepath.Abs(at)
	if err != nil {
		f.unreadable(at, err)
		return true
	}
	target, err := filepath.EvalSymlinks(abs)
	if err != nil {
		f.unreadable(at, err)
		return true
	}
	if f.seen[target] {
		if f.join {
			f.fail(at, "give each file once", "would be joined twice")
		}
		return false
	}
	f.seen[target] = true
	info, err := check(abs, content)
	var invalid *sx.Error
	switch {
	case errors.As(err, &invalid):
		f.found.Failures = append(f.found.Failures, Failure{Name: sx.CleanText(at), Err: invalid})
	case err != nil:
		f.unreadable(at, err)
	default:
		f.found.Files = append(f.found.Files, File{
			Path: abs, Name: sx.SourceName(name), Size: info.Size(), ModTime: info.ModTime(),
		})
	}
	return true
}

// check opens the file, because nothing else proves that it is readable. If content is set,
// it also looks into it.
func check(name string, content bool) (fs.FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("stat the file: %w", err)
	}
	if !info.Mode().IsRegular() {
		// Not opened, because opening a named pipe waits for its other end.
		return nil, sx.NewError(sx.CodeInvalid, "is not a regular file").WithHint("save it as a file first")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the file: %w", err)
	}
	defer func() { _ = file.Close() }()
	if info.Size() == 0 {
		return nil, sx.NewError(sx.CodeInvalid, messageEmpty).WithHint("wait until it is complete, or copy it again")
	}
	if content {
		if _, err := sniff.Read(file); err != nil {
			return nil, err
		}
	}
	return info, nil
}
