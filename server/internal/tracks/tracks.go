// Package tracks chooses among the audio tracks of a video. The converter and the
// readers of package audioonly must choose the same.
package tracks

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"
)

// Track is what a choice depends on.
type Track struct {
	Language string // as ffmpeg reports it: in most containers ISO 639-2
	Titles   []string
	Default  bool
	Extra    bool // the container says: commentary, audio description or only part of the sound
}

// Pick returns the indices of the tracks that sx.Options.Track selects, the best first:
// one for a number, those of a language, or all. Default tracks come first, and those with
// additional sound last. It returns none if there is no such track.
func Pick(tracks []Track, want string) []int {
	if n, err := strconv.Atoi(want); err == nil {
		if n < 1 || n > len(tracks) {
			return nil
		}
		return []int{n - 1}
	}
	var chosen []int
	for i, t := range tracks {
		if want == "" || sameLanguage(want, Language(t.Language)) {
			chosen = append(chosen, i)
		}
	}
	rank := func(i int) int {
		rank := 1
		if tracks[i].Default {
			rank = 0
		}
		if tracks[i].IsExtra() {
			rank += 2
		}
		return rank
	}
	slices.SortStableFunc(chosen, func(a, b int) int { return rank(a) - rank(b) })
	return chosen
}

// extraTitle matches the titles of tracks that are commentary or audio description.
var extraTitle = regexp.MustCompile(`(?i)\b(commentary|kommentar|commentaire|comentarios?|commento|audio ?descri\w*|descriptive|described)\b|^ad$`)

// IsExtra reports whether the track has commentary, audio description or only part of the
// sound.
func (t Track) IsExtra() bool {
	return t.Extra || slices.ContainsFunc(t.Titles, extraTitle.MatchString)
}

// languages matches a language tag (RFC 5646), or several languages as in transport
// streams.
var languages = regexp.MustCompile(`^[A-Za-z]{2,8}(?:[-_,][A-Za-z0-9]{1,8})*$`)

// Language returns the language that a video states, or "" if the text cannot be one.
func Language(s string) string {
	const longest = 35 // bytes (RFC 5646, section 4.4.1)
	if len(s) > longest || !languages.MatchString(s) {
		return ""
	}
	return s
}

// sameLanguage compares language tags by their meaning: de, deu, ger and de-AT are the
// same. Regions are compared only if both tags have one.
func sameLanguage(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	x, errX := language.Parse(a)
	y, errY := language.Parse(b)
	if errX != nil || errY != nil {
		return false
	}
	xb, xc := x.Base()
	yb, yc := y.Base()
	if xb != yb || xc != language.Exact || yc != language.Exact { // und is only a guess
		return false
	}
	xr, xc := x.Region()
	yr, yc := y.Region()
	return xr == yr || xc != language.Exact || yc != language.Exact
}
