// Package mediafiles resolves the FILE, DIR and GLOB arguments of a command to
// files, and reports what is wrong with them before any is uploaded.
package mediafiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// File is a file to upload, in its state when it was found.
type File struct {
	Path    string // absolute
	Name    string // the path's last element, cleaned by sx.FileName
	Size    int64  // bytes
	ModTime time.Time
}

// extensions are those of the media files in a directory. A file that is named
// itself may have any. MP3 is not among them, because the results, often in the same
// directory, would be uploaded by the next run.
var extensions = []string{
	".3g2", ".3gp", ".aac", ".aif", ".aiff", ".asf", ".avi", ".flac", ".flv", ".m2ts", ".m4a", ".m4b",
	".m4v", ".mka", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".oga", ".ogg",
	".ogv", ".opus", ".ts", ".vob", ".wav", ".webm", ".wma", ".wmv",
}

// Find returns the files that the arguments select, each once, in the order of the
// arguments; those of a directory are sorted by name. It skips hidden files in
// directories. The error joins one *sx.Error for each problem.
func Find(args []string) ([]File, error) {
	var found finder
	for _, arg := range args {
		found.argument(arg)
	}
	if err := errors.Join(found.problems...); err != nil {
		return nil, err
	}
	return found.files, nil
}

type finder struct {
	files    []File
	targets  []string // paths with symbolic links resolved, to find duplicates
	problems []error
}

func (f *finder) problem(hint, format string, args ...any) {
	f.problems = append(f.problems, sx.NewError(sx.CodeInvalid, format, args...).WithHint("%s", hint))
}

func (f *finder) argument(arg string) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		f.directory(arg)
	case err == nil:
		f.file(arg)
	case strings.ContainsAny(arg, "*?["):
		f.glob(arg)
	default:
		f.unreadable(arg, err)
	}
}

func (f *finder) unreadable(path string, err error) {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.problem("check the path and the current directory", "%s: no such file", path)
	case errors.Is(err, fs.ErrPermission):
		f.problem("make it readable, such as with: chmod u+r", "%s: permission denied", path)
	case errors.As(err, &pathErr):
		f.problem("check the path and the disk", "cannot read %s: %v", path, pathErr.Err)
	default:
		f.problem("check the path and the disk", "cannot read %s: %v", path, err)
	}
}

// glob expands a pattern that the shell did not: the shell found no match, the
// pattern was quoted, or the shell leaves patterns to programs.
func (f *finder) glob(pattern string) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		f.problem("close each [ with ]", "%s is not a valid pattern", pattern)
		return
	}
	if len(paths) == 0 {
		f.problem("check the pattern and the current directory", "no files match %s", pattern)
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			f.directory(path)
		} else {
			f.file(path)
		}
	}
}

func (f *finder) directory(dir string) {
	before := len(f.files) + len(f.problems)
	known := false // a file in it was already found
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			f.unreadable(path, err)
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case path != dir && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !entry.IsDir() && slices.Contains(extensions, strings.ToLower(filepath.Ext(path))):
			known = !f.file(path) || known
		}
		return nil
	})
	if err != nil {
		f.unreadable(dir, err)
	}
	if !known && len(f.files)+len(f.problems) == before {
		f.problem("name files explicitly if they are MP3s or have an unusual extension", "no media files in %s", dir)
	}
}

// file adds one file, and returns false if it was already found.
func (f *finder) file(path string) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		f.unreadable(path, err)
		return true
	}
	target, err := filepath.EvalSymlinks(abs)
	if err != nil {
		f.unreadable(path, err)
		return true
	}
	if slices.Contains(f.targets, target) {
		return false
	}
	f.targets = append(f.targets, target)
	info, err := check(abs)
	var invalid *sx.Error
	switch {
	case errors.As(err, &invalid):
		f.problem(invalid.Hint, "%s %s", path, invalid.Message)
	case err != nil:
		f.unreadable(path, err)
	default:
		f.files = append(f.files, File{
			Path: abs, Name: sx.FileName(filepath.Base(abs)), Size: info.Size(), ModTime: info.ModTime(),
		})
	}
	return true
}

// check opens the file, because nothing else proves that it is readable.
func check(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("stat the file: %w", err)
	}
	if !info.Mode().IsRegular() {
		// Not opened, because opening a named pipe waits for its other end.
		return nil, sx.NewError(sx.CodeInvalid, "is not a regular file").WithHint("save it as a file first")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the file: %w", err)
	}
	defer func() { _ = file.Close() }()
	if info.Size() == 0 {
		return nil, sx.NewError(sx.CodeInvalid, "is empty").WithHint("wait until it is complete, or copy it again")
	}
	return info, nil
}
