package sx

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanText removes what could control a terminal or disguise untrusted text: control
// characters, line separators, and format characters such as those that set the
// direction of text. It keeps format characters that belong to the text: the joiners
// U+200C and U+200D, which are parts of emoji and of Persian words, the tags that flags
// consist of, and Arabic number signs. Invalid UTF-8 becomes "_".
func CleanText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\u200c', r == '\u200d', r >= 0xE0020 && r <= 0xE007F, unicode.Is(unicode.Prepended_Concatenation_Mark, r):
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "_"))
}

// CleanLine returns untrusted text as one line of at most size bytes, cleaned by
// CleanText. What is longer ends with "…".
func CleanLine(s string, size int) string {
	const ellipsis = "…"
	cut := false
	if most := 4 * size; len(s) > most { // a video can contain megabytes of it
		s, cut = strings.ToValidUTF8(s[:most], ""), true
	}
	s = CleanText(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "_")))
	if len(s) <= size && !cut {
		return strings.TrimSpace(s)
	}
	end := min(size-len(ellipsis), len(s))
	for end > 0 && end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimSpace(s[:end]) + ellipsis
}

// Limits of a source's name, in bytes. Most file systems allow 255 for an element;
// the name of an MP3's temporary file is longer than that of its source.
const (
	MaxName        = 1000 // of the whole
	maxNameElement = 200
)

// SourceName makes the untrusted name of a source safe to store, display and create.
// The name is a relative path with slashes, such as week1/intro.mp4. The result has no
// control characters, no elements "", "." and "..", at most 200 bytes for each element
// (see ShortenName) and 1000 altogether (the first elements are left out); it is
// "video" if nothing remains.
func SourceName(name string) string {
	var elements []string
	size := 0
	for e := range strings.SplitSeq(CleanText(name), "/") {
		if e = strings.TrimSpace(e); e != "" && e != "." && e != ".." {
			e = ShortenName(e, maxNameElement)
			elements = append(elements, e)
			size += len("/") + len(e)
		}
	}
	for size > MaxName {
		size -= len("/") + len(elements[0])
		elements = elements[1:]
	}
	if len(elements) == 0 {
		return "video"
	}
	return strings.Join(elements, "/")
}

// longestExtension is the maximum length of an extension in bytes, so that what follows a
// dot within a sentence is not taken for one.
const longestExtension = 16

// ShortenName shortens a file name to at most size bytes. It keeps the beginning, which
// sorts a series, and the extension.
func ShortenName(name string, size int) string {
	if len(name) <= size {
		return name
	}
	extension := path.Ext(name)
	if len(extension) > min(longestExtension, size/2) {
		extension = ""
	}
	end := size - len(extension)
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return strings.TrimRight(name[:end], " \u200c\u200d") + extension
}

// maxPartBase is how many bytes of its source's name are in that of an MP3 of several, so
// that there is room for a chapter's title.
const maxPartBase = 100

// PartName returns the file name of an MP3 of several, such as
// "intro - 03 - The second act.mp3" for the third of 12 from week1/intro.mp4. The numbers
// have leading zeros, so that the names sort. title may be "".
func PartName(source string, number, total int, title string) string {
	base := ShortenName(strings.TrimSuffix(MP3Name(source), ".mp3"), maxPartBase)
	width := max(2, len(strconv.Itoa(total)))
	name := fmt.Sprintf("%s - %0*d", base, width, number)
	if title = strings.NewReplacer("/", "_", `\`, "_").Replace(CleanLine(title, MaxName)); title != "" {
		name += " - " + title
	}
	name = strings.TrimRight(name, ". ") // which Windows does not store
	return ShortenName(name+".mp3", maxNameElement)
}

// MP3Name returns the file name of a source's MP3, such as intro.mp3 for
// week1/intro.mp4.
func MP3Name(source string) string {
	name := path.Base(source)
	if base := strings.TrimSuffix(name, path.Ext(name)); base != "" {
		name = base
	}
	return name + ".mp3"
}
