package sx_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/soundextract/sx/server/sx"
)

// Texts of a hostile video can become part of errors.
func TestErrorTextsAreBounded(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                       "plain",
		"a\x1b]52;c;aGk=\x07b\u202ec": "a]52;c;aGk=bc",
		"two\r\nlines\tand tabs":      "two  lines and tabs",
		"👨\u200d👩\u200d👧 می\u200cخواهم": "👨\u200d👩\u200d👧 می\u200cخواهم",
		"bad\xff": "bad_",
	} {
		e := sx.NewError(sx.CodeInvalid, "%s", in).WithHint("%s", in)
		if e.Message != want || e.Hint != want || e.WithMessage("%s", in).Message != want {
			t.Errorf("%q became %q with the hint %q, want %q", in, e.Message, e.Hint, want)
		}
	}
	for _, unit := range []string{"a", "ä", "\U0001F3F4", "\x00", "\xff", "a\x00\x00\x00\x00\x00"} {
		e := sx.NewError(sx.CodeInvalid, "%s", strings.Repeat(unit, 7_000_000/len(unit))).WithHint("%s", strings.Repeat(unit, 10_000))
		for _, s := range []string{e.Message, e.Hint} {
			if len(s) > sx.MaxErrorText || !utf8.ValidString(s) || !strings.HasSuffix(s, "…") {
				t.Errorf("%q repeated: %d bytes %.20q…", unit, len(s), s)
			}
		}
	}
}

func TestIsID(t *testing.T) {
	t.Parallel()
	if id := sx.NewID(); !sx.IsID(id) {
		t.Errorf("IsID refuses %q, which NewID returned", id)
	}
	for _, s := range []string{"", "abc", "../../etc/passwd", "aaaaaaaaaaaaaaa1", "AAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaa\x00"} {
		if sx.IsID(s) {
			t.Errorf("IsID accepts %q", s)
		}
	}
}
