package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{
		store.Cursor{Created: time.UnixMilli(1_700_000_000_000), ID: "k3q5wz7d2mhv4xay"}.String(),
		"", ".", "0.a", "-1.a", "zzzzzzzzzzzz.a", "1y2p0ij32e8e7.a", "-1y2p0ij32e8e8.a", "0." + strings.Repeat("a", 65), "0.\x00", "0.a.b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := store.ParseCursor(text)
		if err != nil {
			if code := sx.CodeOf(err); code != sx.CodeInvalid {
				t.Errorf("%q: code %s", text, code)
			}
			return
		}
		again, err := store.ParseCursor(c.String())
		if err != nil || !again.Created.Equal(c.Created) || again.ID != c.ID {
			t.Errorf("%q: got %+v, and %+v, %v again", text, c, again, err)
		}
	})
}
