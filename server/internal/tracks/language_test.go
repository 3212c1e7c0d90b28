package tracks_test

import (
	"strings"
	"testing"

	"github.com/soundextract/sx/server/internal/tracks"
)

func TestLanguage(t *testing.T) {
	t.Parallel()
	for _, language := range []string{
		"de", "eng", "und", "de-AT", "zh-Hant-TW", "pt_BR", "deu,eng", "de-CH-1996", "sl-rozaj-biske-1994", "EN",
	} {
		if got := tracks.Language(language); got != language {
			t.Errorf("%q became %q", language, got)
		}
	}
	for _, other := range []string{
		"", "e", "e1", "123", "english language", "ninechars", "de-", "-de", "de--AT", "de-ninechars", "de;AT", " de", "de\n",
		"de\x00", "\x1b[31m", "ä", "<b>", "../x", "de" + strings.Repeat("-12345678", 4), strings.Repeat("x", 1<<20),
	} {
		if got := tracks.Language(other); got != "" {
			t.Errorf("%.40q became %q, want none", other, got)
		}
	}
}
