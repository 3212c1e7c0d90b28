package transfer

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/server/sx"
)

// TrackPath derives the MP3's path, relative to the output directory, from the name of
// its source, such as week1/intro.mp3 from week1/intro.mp4. No element of it is hidden,
// an option to other programs, or refused by Windows (except that a backslash stays one
// where it is an ordinary character).
func TrackPath(source string) string {
	elements := strings.Split(sx.SourceName(source), "/")
	last := len(elements) - 1
	for i, e := range elements[:last] {
		elements[i] = safeElement(e, "directory")
	}
	name := strings.TrimSuffix(elements[last], path.Ext(elements[last]))
	elements[last] = safeElement(name, "track") + ".mp3"
	return filepath.Join(elements...)
}

// safeElement returns a path's element that is valid everywhere, or empty if nothing of
// it remains.
func safeElement(name, empty string) string {
	if runtime.GOOS == "windows" {
		name = strings.ReplaceAll(name, `\`, "_")
	}
	return sx.SafeElement(name, empty)
}

// Targets chooses the paths of the MP3s of one run.
type Targets struct {
	Dir  string // "" is the current directory
	File string // the path of the only MP3, instead of Dir
	Flat bool   // without the directories in the names of the sources

	taken map[string]bool
}

// NewTargets interprets the argument of --output for one or several MP3s: a directory
// or the path of a file, which need not exist; "" is the current directory.
func NewTargets(output string, several, flat bool) (*Targets, error) {
	t := &Targets{Flat: flat}
	if output == "" {
		return t, nil
	}
	info, err := os.Stat(output)
	exists := err == nil
	switch {
	case exists && info.IsDir(), !exists && os.IsPathSeparator(output[len(output)-1]):
		t.Dir = output
	case several && (exists || mediafiles.HasMediaExtension(output)):
		return nil, sx.NewError(sx.CodeInvalid, "%s is not a directory, and there can be several MP3s", output).
			WithHint("give a directory with -o")
	case several:
		t.Dir = output
	default:
		if err := checkExtension(output, info); err != nil {
			return nil, err
		}
		t.File = output
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, diskError("write to "+output, err)
	}
	return t, nil
}

// checkExtension refuses names that promise something else than an MP3. info is nil if
// the file does not exist.
func checkExtension(output string, info fs.FileInfo) error {
	extension := filepath.Ext(output)
	if extension == "" || strings.EqualFold(extension, ".mp3") || info != nil && !info.Mode().IsRegular() {
		return nil
	}
	name := strings.TrimSuffix(output, extension) + ".mp3"
	err := sx.NewError(sx.CodeInvalid, "%s: only MP3s can be written", output)
	if mediafiles.HasMediaExtension(output) {
		return err.WithHint("write %s, then convert that, such as with: ffmpeg -i %s %s", name, name, output)
	}
	return err.WithHint("write %s, or end the name with a slash if it is a directory", name)
}

// Path returns the path for the MP3 of the source with the name. MP3s that would have
// the same path get different ones, such as "talk (2).mp3"; so does one whose path usable
// rejects. usable may be nil.
func (t *Targets) Path(source string, usable func(path string) bool) string {
	if t.File != "" {
		return t.File
	}
	name := TrackPath(source)
	if t.Flat {
		name = filepath.Base(name)
	}
	name = filepath.Join(t.Dir, name)
	for n, at := 2, name; ; n++ {
		key := strings.ToLower(at) // many file systems ignore case
		if !t.taken[key] && (usable == nil || usable(at)) {
			if t.taken == nil {
				t.taken = map[string]bool{}
			}
			t.taken[key] = true
			return at
		}
		at = fmt.Sprintf("%s (%d).mp3", strings.TrimSuffix(name, ".mp3"), n)
	}
}

// PartPath returns the path of an MP3 of several by its name, which is from the server. They
// are in a directory, which has the name that a single MP3 at path would have.
func PartPath(path, name string) string {
	return filepath.Join(PartDir(path), filepath.Base(TrackPath(name)))
}

// PartDir returns the directory of several MP3s; see PartPath.
func PartDir(path string) string {
	if dir := strings.TrimSuffix(path, ".mp3"); dir != path {
		return dir
	}
	return path + " MP3s"
}

// target is where an MP3 is written.
type target struct {
	path string      // without symbolic links in its last element
	info fs.FileInfo // nil if it does not exist
}

// resolve follows the links at path, unless the server names the file (see
// Downloader.Confined).
func (d *Downloader) resolve(at string) (target, error) {
	if err := d.checkLinks(at); err != nil {
		return target{}, err
	}
	info, err := os.Stat(at)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return target{at, info}, nil // the links of /dev/stdout lead to no path
	case err == nil:
		final, err := filepath.EvalSymlinks(at)
		return target{final, info}, diskError("access "+at, err)
	case !errors.Is(err, fs.ErrNotExist):
		return target{}, diskError("write to "+at, err)
	}
	for range maxLinks {
		to, _ := os.Readlink(at)
		if to == "" { // not a link
			return target{path: at}, nil
		}
		if !filepath.IsAbs(to) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(at))
			if err != nil {
				return target{}, diskError("write to "+at, err)
			}
			to = filepath.Join(dir, to)
		}
		at = to
	}
	return target{}, sx.NewError(sx.CodeInvalid, "%s: too many symbolic links", at).WithHint("give another name with -o")
}

// maxLinks is the number of links to a file that does not exist that are followed, as
// many as Linux follows.
const maxLinks = 40

// checkLinks returns an error if at, or a directory between it and d.Confined, is a
// symbolic link.
func (d *Downloader) checkLinks(at string) error {
	if d.Confined == "" {
		return nil
	}
	relative, err := filepath.Rel(d.Confined, at)
	if err != nil {
		return diskError("find "+at, err)
	}
	part := d.Confined
	for e := range strings.SplitSeq(relative, string(filepath.Separator)) {
		part = filepath.Join(part, e)
		if info, err := os.Lstat(part); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return sx.NewError(sx.CodeInvalid, "%s is a symbolic link, which is not followed for a name from the server", part).
				WithHint("remove the link, or name the file with -o")
		}
	}
	return nil
}

// special reports whether the MP3 is written into the file, such as a device or a named
// pipe, which a rename would replace.
func (t target) special() bool {
	return t.info != nil && !t.info.Mode().IsRegular() && !t.info.IsDir()
}

// ErrExists means that there is another file in an MP3's place.
var ErrExists = sx.NewError(sx.CodeInvalid, "the file already exists").
	WithHint("replace it with --force, or give another name with -o")

// CheckTarget returns an *sx.Error if the MP3 cannot be written to path: another file
// exists and must not be replaced, it is one of the inputs, or its directory cannot be
// created or written to.
func (d *Downloader) CheckTarget(path string) error {
	t, err := d.resolve(path)
	if err == nil {
		err = d.checkReplaceable(path, t)
	}
	if err != nil || t.special() {
		return err
	}
	return checkWritable(filepath.Dir(t.path))
}

func (d *Downloader) checkReplaceable(path string, t target) error {
	switch {
	case t.info == nil:
		return nil
	case t.info.IsDir():
		return sx.NewError(sx.CodeInvalid, "%s is a directory", path).WithHint("give another name with -o")
	case d.isInput(t.info):
		return sx.NewError(sx.CodeInvalid, "%s is one of the files to convert", path).
			WithHint("give another name or directory with -o")
	case t.special() && t.info.Mode()&fs.ModeCharDevice == 0 && t.info.Mode()&fs.ModeDevice != 0:
		return sx.NewError(sx.CodeInvalid, "%s is a disk", path).WithHint("give another name with -o")
	case !t.special() && !d.Force:
		return ErrExists.WithMessage("%s already exists", path)
	}
	return nil
}

// isInput reports whether the file is one of the inputs, by whatever name.
func (d *Downloader) isInput(info fs.FileInfo) bool {
	for _, in := range d.Inputs {
		if os.SameFile(in, info) {
			return true
		}
	}
	return false
}

// CheckDir returns an *sx.Error if no MP3 can be written into the directory of the
// targets.
func (t *Targets) CheckDir() error {
	if t.File != "" {
		return nil // CheckTarget does it
	}
	return checkWritable(cmp.Or(t.Dir, "."))
}

// checkWritable returns an error if no file can be created in the directory, or in the
// existing one that it would be created in.
func checkWritable(dir string) error {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return sx.NewError(sx.CodeInvalid, "%s is not a directory", dir).WithHint("give another name or directory with -o")
		case err == nil:
			file, err := os.CreateTemp(dir, ".sx-*.part")
			if err != nil {
				return diskError("write to the directory "+dir, err)
			}
			_ = file.Close()
			return diskError("write to the directory "+dir, os.Remove(file.Name()))
		case !errors.Is(err, fs.ErrNotExist):
			return diskError("write to the directory "+dir, err)
		}
		dir = filepath.Dir(dir)
	}
}
