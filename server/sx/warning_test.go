package sx_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/soundextract/sx/server/sx"
)

// finishWith returns the warnings of a job that was finished with the given ones.
func finishWith(t *testing.T, list []sx.Warning) []sx.Warning {
	t.Helper()
	j := job(t, sx.StateRunning)
	if err := j.Finish(1, []sx.Track{{ID: "t"}}, list, now); err != nil {
		t.Fatal(err)
	}
	return j.Warnings
}

func TestWarningsAreClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"the sound ends after 5 s":    "the sound ends after 5 s",
		"a\nb\tc\u2028d\u0085e":       "a b c d e",
		"a\x1b[31mred\x00\x7f":        "a[31mred",
		"\u202edisguised\u200b":       "disguised",
		" \u0646\u200c\u0645 \xff ":   "\u0646\u200c\u0645 _",
		strings.Repeat("a", 300):      strings.Repeat("a", 300),
		strings.Repeat("\u00fc", 200): strings.Repeat("\u00fc", 148) + "\u2026",
	} {
		got := finishWith(t, []sx.Warning{sx.NewWarning(sx.WarningTags, "%s", in)})
		if len(got) != 1 || got[0] != (sx.Warning{Code: sx.WarningTags, Message: want}) {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		if !utf8.ValidString(got[0].Message) || len(got[0].Message) > sx.MaxWarningMessage {
			t.Errorf("%q is %d bytes long", got[0].Message, len(got[0].Message))
		}
	}
}

func TestWarningsAreBounded(t *testing.T) {
	t.Parallel()
	var list []sx.Warning
	for i := range 100 {
		w := sx.NewWarning(sx.WarningTags, "tag %d is lost", i)
		list = append(list, w, w)
	}
	got := finishWith(t, list)
	if len(got) != sx.MaxWarnings || got[1].Message != "tag 1 is lost" {
		t.Errorf("%d warnings: %v", len(got), got)
	}
	if got := finishWith(t, nil); len(got) != 0 {
		t.Errorf("warnings %v", got)
	}
}

func TestWarningCodesAreSorted(t *testing.T) {
	t.Parallel()
	if codes := sx.WarningCodes(); !slices.IsSorted(codes) {
		t.Errorf("codes %v", codes)
	}
}
