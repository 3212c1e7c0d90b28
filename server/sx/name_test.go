package sx_test

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/soundextract/sx/server/sx"
)

func TestCleanText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                       "plain",
		"a\x00b\x1b[31m\nc\u009b":     "ab[31mc",
		"gpj.\u202emp4":               "gpj.mp4",
		"a\u2066b\u2069\u200e\u061cc": "abc",
		"a\u2028b\u2029":              "ab",
		"👨\u200d👩\u200d👧":             "👨\u200d👩\u200d👧",
		"می\u200cخواهم":               "می\u200cخواهم",
		"a\u200b\ufeff\u00adb":        "ab",
		"\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F": "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F",
		"\u0600\u06f1": "\u0600\u06f1",
		"bad\xff.mp4":  "bad_.mp4",
	} {
		if got := sx.CleanText(in); got != want {
			t.Errorf("CleanText(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSourceName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"talk.mp4":                      "talk.mp4",
		"week1/intro.mp4":               "week1/intro.mp4",
		"../../etc/passwd":              "etc/passwd",
		"/etc/passwd":                   "etc/passwd",
		"a/./b/../c":                    "a/b/c",
		`a\b.mp4`:                       `a\b.mp4`,
		"a\x00b\x1b[31m.mp4":            "ab[31m.mp4",
		"":                              "video",
		"..":                            "video",
		" / \x01/":                      "video",
		"講演.mkv":                        "講演.mkv",
		"family 👨\u200d👩\u200d👧.mp4":    "family 👨\u200d👩\u200d👧.mp4",
		"bad\xff.mp4":                   "bad_.mp4",
		"gpj.\u202emp4":                 "gpj.mp4",
		"directory/":                    "directory",
		strings.Repeat("d/", 800) + "x": strings.Repeat("d/", 499) + "x",
	} {
		if got := sx.SourceName(in); got != want {
			t.Errorf("SourceName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestShortenName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"01 - " + strings.Repeat("ä", 150) + ".mp4",
		"01 - " + strings.Repeat("👨\u200d", 60) + ".mp4",
		"01 - no extension. " + strings.Repeat("word ", 60),
	} {
		got := sx.ShortenName(name, 200)
		if len(got) > 200 || len(got) < 180 || !utf8.ValidString(got) || !strings.HasPrefix(got, "01 - ") || strings.HasSuffix(got, " ") {
			t.Errorf("%d bytes: %q", len(got), got)
		}
		if extension := path.Ext(name); len(extension) < 16 && !strings.HasSuffix(got, extension) {
			t.Errorf("%q has no extension", got)
		}
		if strings.HasSuffix(strings.TrimSuffix(got, ".mp4"), "\u200d") {
			t.Errorf("%q ends with a joiner", got)
		}
	}
}

func TestPartName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 500)
	for _, c := range []struct {
		source        string
		number, total int
		title, want   string
	}{
		{"week1/talk.mp4", 1, 9, "Introduction", "talk - 01 - Introduction.mp3"},
		{"talk.mp4", 12, 120, "", "talk - 012.mp3"},
		{"talk.mp4", 2, 9, "AC/DC\n..\\\u202eback. ", "talk - 02 - AC_DC .._back.mp3"},
		{"talk.mp4", 2, 9, "...", "talk - 02 -.mp3"},
		{long + ".mp4", 3, 9, long, strings.Repeat("ä", 50) + " - 03 - " + strings.Repeat("ä", 44) + ".mp3"},
	} {
		if got := sx.PartName(c.source, c.number, c.total, c.title); got != c.want {
			t.Errorf("PartName(%q, %d, %d, %q) = %q, want %q", c.source, c.number, c.total, c.title, got, c.want)
		}
	}
}

func TestMP3Name(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"talk.mp4": "talk.mp3", "week1/intro.v2.mp4": "intro.v2.mp3", "talk": "talk.mp3", ".mp4": ".mp4.mp3",
	} {
		if got := sx.MP3Name(in); got != want {
			t.Errorf("MP3Name(%q) = %q, want %q", in, got, want)
		}
	}
}
