package chromium

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/testkit"
)

// play starts the player and resolves to the length in seconds when it has reached the end.
const play = `new Promise((resolve, reject) => {
	const audio = document.querySelector("audio");
	audio.addEventListener("error", () => reject(new Error(audio.error.message)));
	audio.addEventListener("ended", () => resolve(audio.duration));
	audio.play().then(() => { audio.currentTime = audio.duration - 0.5; }, reject);
})`

// Story does what people do with the page who have no terminal: a signed-in person uploads a
// video, of which the browser sends the audio, follows the conversion, plays and downloads the
// MP3, shares it by a link, which somebody else opens, has a podcast feed, deletes the job and
// signs out.
func (b *Tab) Story() {
	b.tb.Helper()
	const seconds = 4
	b.Choose("Choose files", video(b, "talk.mkv", seconds))
	b.See("tr", "done")
	b.Gone(".uploads", "talk.mkv")
	b.Click("talk.mkv")
	b.See("h1", "talk.mkv")
	b.See(".state", "done")
	if length := Eval[float64](b, play); length < seconds-0.2 || length > seconds+0.2 {
		b.tb.Errorf("the player played %v s of %d", length, seconds)
	}
	dir := b.Downloads()
	b.Click("Download the MP3")
	sound, err := os.ReadFile(b.AwaitDownload(dir, "talk.mp3"))
	if err != nil {
		b.tb.Fatal(err)
	}
	if !bytes.HasPrefix(sound, []byte("ID3")) && !bytes.HasPrefix(sound, []byte("\xff\xfb")) {
		b.tb.Errorf("the download of %d bytes is no MP3: % x", len(sound), sound[:min(len(sound), 8)])
	}

	b.Click("Share with a link")
	b.Click("Create a link")
	b.See(".notice code", b.URL+"/s/")
	link := b.Text(".notice code")
	guest := NewTab(b.tb, b.URL)
	guest.Run(chromedp.Navigate(link))
	guest.See("h1", "talk")
	if length := Eval[float64](guest, play); length < seconds-0.2 {
		b.tb.Errorf("the player of the link played %v s of %d", length, seconds)
	}
	guest.Run(chromedp.Navigate(b.URL + "/"))
	guest.See("h1", "Sign in")
	b.Reload()
	b.Click("Share with a link")
	b.See(".tokens li", "used 1 time")
	b.Click("Revoke the link " + b.Text(".tokens code"))
	b.Confirm()
	b.Gone(".tokens li", "used")
	guest.Run(chromedp.Navigate(link))
	guest.See("p", "This link does not work")

	b.Click("Account")
	b.FillIn("Name of the feed", "Talks")
	b.Click("Create a feed")
	b.See(".notice code", b.URL+"/f/")
	b.readFeed(b.Text(".notice code"), len(sound))
	b.Click("Revoke the feed Talks")
	b.Confirm()
	b.See("main", "There are no feeds.")

	b.Click("Jobs")
	b.Click("talk.mkv")
	b.Click("Delete")
	b.Confirm()
	b.See("main", "There are no jobs yet.")
	b.Click("Sign out")
	b.See("h1", "Sign in")
	if status := Eval[int](b, `fetch("/v1/jobs").then((r) => r.status)`); status != http.StatusUnauthorized {
		b.tb.Errorf("after signing out, the list of jobs has the status %d", status)
	}
}

// readFeed reads a feed as a podcast app does: its XML, again only if it has changed, and the
// MP3 that it names.
func (b *Tab) readFeed(address string, size int) {
	b.tb.Helper()
	read := Eval[struct {
		Status, Again int
		Type, Text    string
	}](b, fmt.Sprintf(`(async () => {
		const read = (headers) => fetch(%q, { credentials: "omit", cache: "no-store", headers });
		const first = await read({});
		const again = await read({ "If-None-Match": first.headers.get("ETag") });
		return { Status: first.status, Again: again.status, Type: first.headers.get("Content-Type"), Text: await first.text() };
	})()`, address))
	var feed struct {
		Title string `xml:"channel>title"`
		Items []struct {
			Title     string `xml:"title"`
			Enclosure struct {
				URL    string `xml:"url,attr"`
				Length int    `xml:"length,attr"`
			} `xml:"enclosure"`
		} `xml:"channel>item"`
	}
	if err := xml.Unmarshal([]byte(read.Text), &feed); err != nil || read.Status != http.StatusOK || !strings.HasPrefix(read.Type, "application/rss+xml") {
		b.tb.Fatalf("the feed: status %d, %s, %v\n%s", read.Status, read.Type, err, read.Text)
	}
	if read.Again != http.StatusNotModified {
		b.tb.Errorf("the feed that did not change has the status %d", read.Again)
	}
	if len(feed.Items) != 1 || feed.Title != "Talks" || feed.Items[0].Title != "talk" || feed.Items[0].Enclosure.Length != size {
		b.tb.Fatalf("the feed shows %+v, want the MP3 of %d bytes", feed, size)
	}
	got := Eval[int](b, fmt.Sprintf(`fetch(%q, { credentials: "omit" }).then((r) => r.arrayBuffer()).then((a) => a.byteLength)`, feed.Items[0].Enclosure.URL))
	if got != size {
		b.tb.Errorf("the MP3 of the feed has %d bytes, want %d", got, size)
	}
}

// video creates a video and returns its path.
func video(b *Tab, name string, seconds int) string {
	b.tb.Helper()
	testkit.Need(b.tb, "ffmpeg")
	path := filepath.Join(b.tb.TempDir(), name)
	cmd := exec.CommandContext(b.tb.Context(), "ffmpeg", "-nostdin", "-v", "error",
		"-f", "lavfi", "-i", "testsrc=size=160x90:rate=10", "-f", "lavfi", "-i", "sine=frequency=440",
		"-t", strconv.Itoa(seconds), "-c:v", "mpeg4", "-c:a", "aac", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.tb.Fatalf("create a video: %v\n%s", err, strings.TrimSpace(string(out)))
	}
	return path
}
