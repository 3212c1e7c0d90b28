package storetest

import (
	"fmt"
	"strings"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// limitTests are about texts from outside.
var limitTests = []test{
	{"a name that no video can have is refused", badNames},
	{"the longest texts of a job are stored", longestTexts},
}

func badNames(f *fixture) {
	for _, name := range []string{
		"a\x00.mp4", "\x00", "bad\xff.mp4", strings.Repeat("a", sx.MaxName+1),
	} {
		j := job("j1", 0)
		j.Sent.Name = name
		f.code(f.Jobs.Create(f.ctx, j), sx.CodeInvalid)
		f.code(f.Videos.Create(f.ctx, "v1", name, 10), sx.CodeInvalid)
		_, _, err := f.Jobs.List(f.ctx, store.JobFilter{Owner: "u1", Name: name})
		f.code(err, sx.CodeInvalid)
	}
	f.lists("after refused names", all)
	f.ok(f.Jobs.Create(f.ctx, job("j1", 0)))
	j, err := f.Jobs.Get(f.ctx, "j1")
	f.ok(err)
	j.Sent.Name = "a\x00.mp4"
	f.code(f.Jobs.Replace(f.ctx, j), sx.CodeInvalid)
}

// longestTexts stores what a hostile video or request can make of a job at most.
func longestTexts(f *fixture) {
	const wide = "\U0001F3F4" // 4 bytes
	long := strings.Repeat(wide, 2<<20)
	j := job("j1", 0)
	j.Sent.Name = sx.SourceName(strings.Repeat(strings.Repeat(wide, 50)+"/", 100))
	j.Sources = []sx.Source{{Name: j.Sent.Name, Size: 100}}
	j.Error = sx.NewError(sx.CodeNoSuchTrack, "%s", long).WithHint("%s", long)
	for i := range sx.MaxLabels {
		label := fmt.Sprint(i, strings.Repeat(wide, 14))
		labels, err := sx.Labels([]string{label})
		f.ok(err)
		j.Labels = append(j.Labels, labels...)
	}
	for i := range sx.MaxWarnings {
		j.Warnings = append(j.Warnings, sx.Warning{Code: fmt.Sprint(i), Message: sx.CleanLine(long, sx.MaxWarningMessage)})
	}
	tag := sx.CleanTag(long)
	j.Options.Title, j.Options.Artist, j.Options.Album = tag, tag, tag
	j.Tracks = []sx.Track{{Number: 1, ID: "j1-1", Name: sx.MP3Name(j.Sent.Name), Title: tag, Artist: tag, Album: tag}}
	for range sx.MaxShares {
		j.Shares = append(j.Shares, sx.Share{ID: sx.NewShareID(j.ID), Hash: strings.Repeat("a", 64), Created: epoch, Expires: epoch, Used: epoch})
	}
	f.ok(f.Jobs.Create(f.ctx, j))
	f.reopen()
	got, err := f.Jobs.Get(f.ctx, "j1")
	f.ok(err)
	j.Rev = 1
	same(f, got, j)
	if size := len(got.Error.Message) + len(got.Error.Hint); size > 2*sx.MaxErrorText {
		f.t.Errorf("the error has %d bytes", size)
	}
	found, _, err := f.Jobs.List(f.ctx, store.JobFilter{Owner: "u1", Name: j.Sent.Name})
	f.ok(err)
	if len(found) != 1 {
		f.t.Errorf("%d jobs have the longest name, want 1", len(found))
	}
}
