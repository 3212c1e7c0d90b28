package mediafiles

import (
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/soundextract/sx/server/sx"
)

// Select says which files are wanted, by patterns for their paths. The zero value wants
// all.
//
// Patterns are like those of gitignore. One without a slash stands for a name in any
// directory, one with a slash in front or inside for a path from the directory that was
// given; a slash at the end stands for directories only. A * matches within a name,
// ** any number of directories. What matches a directory matches all below it.
type Select struct{ include, exclude []rule }

type rule struct {
	pattern string // of the whole path
	dirs    bool   // of directories only
}

// NewSelect returns what the patterns select: what no pattern of exclude matches and, if
// there are any of include, one of them does. If a pattern is not valid, the error is an
// *sx.Error of code usage.
func NewSelect(include, exclude []string) (s Select, err error) {
	if s.include, err = rules("include", include); err != nil {
		return Select{}, err
	}
	if s.exclude, err = rules("exclude", exclude); err != nil {
		return Select{}, err
	}
	return s, nil
}

func rules(flag string, patterns []string) ([]rule, error) {
	var all []rule
	for _, p := range patterns {
		r := rule{pattern: strings.TrimSuffix(p, "/"), dirs: strings.HasSuffix(p, "/")}
		if r.pattern == "" || !doublestar.ValidatePattern(r.pattern) {
			return nil, sx.NewError(sx.CodeUsage, "--%s: %q is not a valid pattern", flag, p).
				WithHint("use a pattern such as '*.tmp', 'drafts/' or '/2025/**/*.mkv', and close each [ and {")
		}
		if strings.Contains(r.pattern, "/") {
			r.pattern = strings.TrimPrefix(r.pattern, "/")
		} else {
			r.pattern = "**/" + r.pattern
		}
		all = append(all, r)
	}
	return all, nil
}

// Keep reports whether a path is wanted. It is relative to the directory that was given,
// with slashes; for a file that was given itself, it is its name. Nothing in an unwanted
// directory is wanted.
func (s Select) Keep(rel string, dir bool) bool {
	if match(s.exclude, rel, dir) {
		return false
	}
	// What a directory contains may match even if the directory does not.
	return dir || len(s.include) == 0 || match(s.include, rel, dir)
}

// match reports whether a rule matches the path or a directory that contains it.
func match(rules []rule, rel string, dir bool) bool {
	for ; rel != "." && rel != "/"; rel, dir = path.Dir(rel), true {
		for _, r := range rules {
			if (dir || !r.dirs) && doublestar.MatchUnvalidated(r.pattern, rel) {
				return true
			}
		}
	}
	return false
}
