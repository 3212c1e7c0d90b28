package markup_test

import (
	"testing"

	"github.com/soundextract/sx/server/internal/markup"
)

type named string

func (n named) String() string { return "<" + string(n) + ">" }

func TestPrintf(t *testing.T) {
	t.Parallel()
	var b markup.Builder
	b.Printf(`<a title="%s">%s %s %d</a>`, `" onclick='x`, "<script>&amp;", named("b"), 3)
	b.Printf("<style>%s</style>", markup.Raw("p > a {}"))
	want := `<a title="&#34; onclick=&#39;x">&lt;script&gt;&amp;amp; &lt;b&gt; 3</a>` +
		"<style>p > a {}</style>"
	if got := b.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
