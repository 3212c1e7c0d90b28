package mediafiles

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/soundextract/sx/server/sniff"
)

// directory adds the media files below dir.
func (f *finder) directory(dir string) {
	root, err := filepath.EvalSymlinks(dir) // WalkDir does not follow a link to a directory
	if err != nil {
		f.unreadable(dir, err)
		return
	}
	prefix := ""
	if f.found.Several {
		if abs, err := filepath.Abs(dir); err == nil {
			prefix = filepath.Base(abs)
		}
	}
	f.found.Several = true
	first := len(f.found.Files)
	before, known, skipped := first+len(f.found.Failures), false, f.found.Skipped
	type found struct {
		at, relative string
		link         bool
	}
	var entries []found
	own := map[string]bool{}                                                         // files that are no links
	_ = filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error { // returns no other error
		relative, _ := filepath.Rel(root, at) // at is below root
		relative = filepath.ToSlash(relative)
		hidden := at != root && strings.HasPrefix(filepath.Base(at), ".")
		unwanted := !f.want.Keep(relative, entry != nil && entry.IsDir())
		switch {
		case hidden:
		case unwanted:
			if entry != nil && !entry.IsDir() {
				f.found.Skipped.Unwanted++
			}
		case err != nil:
			f.unreadable(at, err)
		case !entry.IsDir():
			link := entry.Type()&fs.ModeSymlink != 0
			entries = append(entries, found{at, relative, link})
			own[at] = own[at] || !link
		}
		if entry != nil && entry.IsDir() && (hidden || unwanted || err != nil) {
			return fs.SkipDir
		}
		return nil
	})
	for _, e := range entries {
		// A link to another file of the directory gives it no second name.
		if to, err := filepath.EvalSymlinks(e.at); e.link && err == nil && own[to] {
			continue
		}
		known = f.entry(e.at, path.Join(prefix, e.relative)) || known
	}
	if f.join {
		sortNumbered(f.found.Files[first:])
	}
	if known || len(f.found.Files)+len(f.found.Failures) > before {
		return
	}
	message := messageNone
	if skipped != f.found.Skipped {
		message += fmt.Sprintf(" (%s)", f.found.Skipped)
	}
	hint := "give a directory that contains videos or audio files"
	switch {
	case f.found.Skipped.Unwanted > skipped.Unwanted:
		hint = "check --include and --exclude"
	case f.found.Skipped.MP3 > skipped.MP3:
		hint = "to convert MP3s, give their names or a pattern such as '*.mp3'"
	}
	f.fail(dir, hint, "%s", message)
}

// entry adds or skips an entry of a directory. It returns true if the file was already
// found.
func (f *finder) entry(at, name string) (known bool) {
	extension := strings.ToLower(filepath.Ext(at))
	info, err := os.Stat(at)
	switch {
	case extension == ".mp3":
		f.found.Skipped.MP3++
	case err == nil && info.IsDir():
		f.found.Skipped.Links++
	case slices.Contains(extensions, extension) || err == nil && isMedia(at, info):
		return !f.file(at, name, false)
	default:
		f.found.Skipped.Other++
	}
	return false
}

// isMedia reports whether the file has the content of a media file.
func isMedia(name string, info fs.FileInfo) bool {
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	file, err := os.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	_, err = sniff.Read(file)
	return err == nil
}
