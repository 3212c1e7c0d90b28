package id3

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/language"
)

// ValidReport makes the output of ffprobe -of json=string_validation=ignore valid UTF-8:
// lines with invalid UTF-8, of which each has at most one value, are decoded as
// Windows-1252, the most common encoding of tags in containers that name none.
func ValidReport(report []byte) []byte {
	if utf8.Valid(report) {
		return report
	}
	var b strings.Builder
	for line := range strings.Lines(string(report)) {
		b.WriteString(toUTF8(line))
	}
	return []byte(b.String())
}

// toUTF8 returns s if it is valid UTF-8, and else decodes it as Windows-1252, which
// differs from ISO 8859-1 only where that has control characters.
func toUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	s, _ = charmap.Windows1252.NewDecoder().String(s) // decodes every byte
	return s
}

// cleanText makes a text of several lines safe to write: valid UTF-8, with no control
// characters except tab and line feed.
func cleanText(s string) string {
	s = strings.ReplaceAll(toUTF8(s), "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r == '\n', r == '\t':
			return r
		case unicode.IsControl(r), r == '\uFEFF': // a byte order mark in the middle of a text
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// cleanLine is like cleanText, for texts of one line.
func cleanLine(s string) string {
	return strings.TrimSpace(strings.NewReplacer("\n", " ", "\t", " ").Replace(cleanText(s)))
}

// shorten cuts s to at most size bytes, between characters.
func shorten(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return strings.TrimSpace(s[:size])
}

// normalize returns the part of a tag's name that containers agree on: letters and
// digits, in lower case, without the prefixes of ASF and QuickTime.
func normalize(name string) string {
	name = strings.ToLower(name)
	name = strings.TrimPrefix(name, "wm/")
	if rest, ok := strings.CutPrefix(name, "com.apple.quicktime."); ok {
		name = rest
		if name == "creationdate" { // elsewhere, it is the date of the file
			name = "quicktime" + name
		}
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, name)
}

// Timestamps of ID3v2.4 (structure, section 4.2.5), followed by other common forms.
var (
	timestamp = regexp.MustCompile(`^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d))?)?)?)?)?(?:\D|$)`)
	separated = regexp.MustCompile(`^(\d{4})[/.:](\d\d?)[/.:](\d\d?)(?:\D|$)`)
	compact   = regexp.MustCompile(`^(\d{4})(\d\d)(\d\d)(?:\D|$)`)
	yearOnly  = regexp.MustCompile(`(?:^|\D)(\d{4})(?:\D|$)`)
)

// cleanDate returns s as a timestamp of ID3v2.4, or "". A time zone is dropped, since the
// format has none.
func cleanDate(s string) string {
	s = cleanLine(s)
	var m []string
	if m = separated.FindStringSubmatch(s); m == nil {
		if m = compact.FindStringSubmatch(s); m == nil {
			m = timestamp.FindStringSubmatch(s)
		}
	}
	if m == nil {
		if m = yearOnly.FindStringSubmatch(s); m == nil {
			return ""
		}
	}
	if m[1] == "0000" {
		return ""
	}
	out := m[1]
	for i, part := range m[2:] {
		n, err := strconv.Atoi(part)
		lowest, highest := [5]int{1, 1, 0, 0, 0}[i], [5]int{12, 31, 23, 59, 59}[i]
		if err != nil || n < lowest || n > highest {
			break
		}
		next := out + fmt.Sprintf([5]string{"-%02d", "-%02d", "T%02d", ":%02d", ":%02d"}[i], n)
		if i == 1 {
			if _, err := time.Parse(time.DateOnly, next); err != nil { // 30 February
				break
			}
		}
		out = next
	}
	return out
}

// cleanDay is like cleanDate, without the time of day.
func cleanDay(s string) string {
	day, _, _ := strings.Cut(cleanDate(s), "T")
	return day
}

var numbers = regexp.MustCompile(`^0*(\d{1,5})(?:\s*(?:/|of)\s*0*(\d{1,5}))?\s*$`)

// cleanNumber returns a position such as 7 or 7/9, or "". The total is taken from s, or
// else from total.
func cleanNumber(s, total string) string {
	m := numbers.FindStringSubmatch(cleanLine(s))
	if m == nil || m[1] == "0" {
		return ""
	}
	out, of := m[1], m[2]
	if of == "" {
		if t := numbers.FindStringSubmatch(cleanLine(total)); t != nil {
			of = t[1]
		}
	}
	if of != "" && of != "0" {
		out += "/" + of
	}
	return out
}

// cleanBeats returns whole beats per minute, or "".
func cleanBeats(s string) string {
	f, err := strconv.ParseFloat(strings.Replace(cleanLine(s), ",", ".", 1), 64)
	if err != nil || !(f >= 1 && f < 1000) {
		return ""
	}
	return strconv.Itoa(int(math.Round(f)))
}

func isTrue(s string) bool {
	switch strings.ToLower(cleanLine(s)) {
	case "1", "true", "yes":
		return true
	}
	return false
}

// cleanLanguage returns the ISO 639-2 code of a language tag, or "".
func cleanLanguage(s string) string {
	s = strings.ToLower(cleanLine(s))
	if !isCode(s) {
		base, confidence := language.Make(s).Base()
		if confidence != language.Exact {
			return ""
		}
		s = base.ISO3()
	}
	if !isCode(s) || s == "und" || s == "xxx" {
		return ""
	}
	return s
}

func isCode(s string) bool {
	return len(s) == 3 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

var url = regexp.MustCompile(`^(?i:https?|ftp)://[!-~]+$`)

// cleanLink returns an absolute URL of printable ASCII characters, or "".
func cleanLink(s string) string {
	if s = cleanLine(s); len(s) <= maxLine && url.MatchString(s) {
		return s
	}
	return ""
}
