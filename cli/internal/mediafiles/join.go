package mediafiles

import (
	"cmp"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// FindJoined returns the files that the arguments select as one, of which they are joined in
// the order of the arguments; those of a pattern or a directory are in the order of their
// numbers. If any of them cannot be used, none is returned.
func (s Select) FindJoined(args []string) Found {
	f := finder{want: s, join: true, content: true, seen: map[string]bool{}}
	paths := f.expand(args)
	f.found.Several = len(paths) > 1
	for _, p := range paths {
		f.argument(p)
	}
	f.found.Several = false
	list := f.found.Files
	for _, file := range list {
		if file.Pipe != "" && len(list) > 1 {
			f.fail(file.Name, "save it as a file first", "cannot be joined: its size is not known")
		}
	}
	if len(list) > sx.MaxSources {
		f.fail(list[0].Name, "join fewer files, such as those of one recording",
			"%d files cannot be joined; at most %d can", len(list), sx.MaxSources)
	}
	switch {
	case len(f.found.Failures) > 0:
		f.found.Files = nil
	case len(list) > 1:
		sorted := slices.Clone(list)
		sortNumbered(sorted)
		f.found.Misordered = !slices.EqualFunc(list, sorted, func(a, b File) bool { return a.Path == b.Path })
		f.found.Files = []File{join(list)}
	}
	return f.found
}

// join returns the files as one.
func join(list []File) File {
	all := list[0]
	all.Joined = list
	for _, f := range list[1:] {
		all.Size += f.Size
		if f.ModTime.After(all.ModTime) {
			all.ModTime = f.ModTime
		}
	}
	return all
}

// Names returns the names of the files, of many only those at the ends.
func (f File) Names() string {
	var names []string
	all := f.All()
	for i, one := range all {
		switch {
		case len(all) <= 6 || i < 3 || i == len(all)-1:
			names = append(names, one.Name)
		case i == 3:
			names = append(names, "…")
		}
	}
	return strings.Join(names, ", ")
}

// sortNumbered sorts files in the order of their numbers.
func sortNumbered(list []File) {
	slices.SortStableFunc(list, func(a, b File) int { return compareNumbered(a.Path, b.Path) })
}

// compareNumbered compares paths of a recorder's files: by directory, then by the numbers in
// the names, of which 9 precedes 10.
func compareNumbered(a, b string) int {
	a, b = filepath.ToSlash(a), filepath.ToSlash(b)
	return cmp.Or(
		compareNatural(path.Dir(a), path.Dir(b)),
		compareNatural(chapterLast(path.Base(a)), chapterLast(path.Base(b))),
		strings.Compare(a, b),
	)
}

// Names of GoPro cameras: GH020034.MP4 is the second chapter of recording 0034, of which the
// first is GH010034.MP4; older ones name them GOPR0034.MP4 and GP010034.MP4.
var (
	chapter = regexp.MustCompile(`^(?i)g[hxlp]([0-9]{2})([0-9]{4})(\.[a-z0-9]+)$`)
	opening = regexp.MustCompile(`^(?i)gopr([0-9]{4})(\.[a-z0-9]+)$`)
)

// chapterLast returns a name with the number of the recording before that of the chapter.
func chapterLast(name string) string {
	name = opening.ReplaceAllString(name, "gopro $1 00$2")
	return chapter.ReplaceAllString(name, "gopro $2 $1$3")
}

// compareNatural compares texts, with the numbers in them by value.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, y := leading(a), leading(b)
		a, b = a[len(x):], b[len(y):]
		n, err := strconv.ParseUint(x, 10, 64)
		m, err2 := strconv.ParseUint(y, 10, 64)
		if err != nil || err2 != nil {
			n, m = 0, 0
		}
		if c := cmp.Or(cmp.Compare(n, m), strings.Compare(strings.ToLower(x), strings.ToLower(y))); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// leading returns the number at the beginning of a text, or what precedes the first number.
func leading(s string) string {
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	for i := range len(s) {
		if digit(s[i]) != digit(s[0]) {
			return s[:i]
		}
	}
	return s
}
