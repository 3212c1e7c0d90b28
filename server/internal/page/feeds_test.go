package page_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestFeedStory creates a feed, reads it with the browser's parser of XML, and revokes it.
func TestFeedStory(t *testing.T) {
	t.Parallel()
	sound := mp3(t)
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Open("#/register")
	b.See("button", "Create the account")
	b.Register("anna")
	b.See("main", "There are no jobs yet.")
	j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: "talks/<b>&.mp4", Size: 1}, Size: 1}, time.Now())
	j.State = sx.StateQueued
	server.AddJobs("anna", j)
	server.Finish(j.ID, sound)

	b.Open("#/account")
	b.See("h2", "Podcast feeds")
	b.FillIn("Name of the feed", "Talks & <i>more</i>")
	b.FillIn("Only the folder", "talks")
	b.Click("Create a feed")
	b.See(".notice code", server.URL+"/f/sxf_")
	address := b.Text(".notice code")
	b.See(".tokens li", "Talks & <i>more</i>: MP3s in the folder talks")
	// The parser of a feed reader in JavaScript (rss-parser 3.13.0 of npm) and what it then gets.
	source, err := os.ReadFile("testdata/rss-parser.min.js")
	if err != nil {
		t.Fatal(err)
	}
	chromium.Eval[int](b, string(source)+";0")
	got := chromium.Eval[string](b, `(async () => {
		const reader = new RSSParser({ customFields: { item: [["podcast:chapters", "chapters"]] } });
		const feed = await reader.parseString(await (await fetch("`+address+`")).text());
		const [item] = feed.items;
		const audio = await (await fetch(item.enclosure.url)).arrayBuffer();
		const { chapters } = await (await fetch(item.chapters.$.url)).json();
		return [feed.title, feed.feedUrl === "`+address+`", feed.itunes.image, item.title, item.guid, item.enclosure.type,
			Number(item.enclosure.length) === audio.byteLength, item.itunes.duration, chapters.map((c) => c.title).join()].join("|");
	})()`)
	want := strings.Join([]string{"Talks & <i>more</i>", "true", strings.Replace(address, "feed.xml", "artwork.png", 1), "<b>&", j.ID + "/1", "audio/mpeg", "true", "30", "Introduction,"}, "|")
	if !strings.HasPrefix(got, want) {
		t.Errorf("the reader has %q, want %q", got, want)
	}
	b.Click("Revoke the feed Talks & <i>more</i>")
	b.Confirm()
	b.Gone(".tokens li", "the folder talks")
	if got := chromium.Eval[int](b, `fetch("`+address+`").then((r) => r.status)`); got != 404 {
		t.Errorf("the revoked feed answers %d", got)
	}
}
