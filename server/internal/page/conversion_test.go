package page_test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

func TestConversionStory(t *testing.T) {
	t.Parallel()
	sound := mp3(t)
	server := gateway.New(t, func(s *gateway.Server) { s.Convert = func([]byte) []byte { return sound } })
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	b.Click("Options for new jobs")
	b.FillIn("Labels", "week 1, talks")
	b.FillIn("Title", "The talk")
	b.Pick("Encoding", "preset:speech")
	media := gateway.Media(3 << 20)
	b.Choose("Choose files", writeFile(t, "talk.mp4", media), writeFile(t, "other.mkv", gateway.Media(1000)))
	b.See("tr", "talk.mp4")
	b.See("tr", "other.mkv")
	b.See("tr", "done")
	b.Gone(".uploads", "talk.mp4")

	jobs := server.Jobs()
	at := slices.IndexFunc(jobs, func(j api.Job) bool { return j.Name == "talk.mp4" })
	if at < 0 || len(jobs) != 2 {
		t.Fatalf("jobs: %+v", jobs)
	}
	if j := jobs[at]; !slices.Equal(j.Labels, []string{"week 1", "talks"}) || j.Options.Title != "The talk" || j.Options.Preset != sx.PresetSpeech || !bytes.Equal(server.Video(j.ID), media) {
		t.Errorf("the job is %+v", j)
	}

	dir := b.Downloads()
	b.Click("Select all shown jobs")
	b.Click("Download")
	z, err := zip.OpenReader(b.AwaitDownload(dir, "soundextract.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	for _, name := range []string{"talk.mp3", "other.mp3"} {
		if got, err := fs.ReadFile(z, name); err != nil || !bytes.Equal(got, sound) {
			t.Errorf("%s in the archive has %d bytes, %v", name, len(got), err)
		}
	}

	b.Click("talk.mp4")
	b.See("h1", "talk.mp4")
	b.See(".state", "done")
	// The player and seeking in it use the cookie.
	length := chromium.Eval[float64](b, `new Promise((resolve, reject) => {
		const audio = document.querySelector("audio");
		audio.addEventListener("error", () => reject(new Error(audio.error.message)));
		audio.addEventListener("ended", () => resolve(audio.duration));
		audio.play().then(() => { audio.currentTime = 0.8; }, reject);
	})`)
	if length < 0.9 || length > 1.2 {
		t.Errorf("the player played %v s", length)
	}
	if got := chromium.Eval[int](b, `fetch(document.querySelector("a[download]").href).then((r) => r.arrayBuffer()).then((a) => a.byteLength)`); got != len(sound) {
		t.Errorf("the download has %d bytes, want %d", got, len(sound))
	}
	b.See(".chapters", "0:00 Introduction")
	b.Run(chromedp.Click(chromedp.CSS(".chapters li:last-child button")))
	b.See(".chapters button[aria-current]", "<b>Café</b>")
	b.Click("Share with a link")
	b.Click("Create a link")
	b.See(".notice code", server.URL+"/s/sxl_")
	res, err := http.Get(b.Text(".notice code"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("the link: %s", res.Status)
	}
	b.See(".tokens li", "used")
	b.Click("Revoke the link " + b.Text(".tokens code"))
	b.Confirm()
	b.Gone(".tokens li", "used")
	b.Click("Edit the title, artist, album and labels")
	b.FillIn("Labels", "talks, new")
	b.Click("Save")
	b.See("#notices", "The changes are saved.")
	b.See("dl", "talks, new")
	b.Click("Delete")
	b.Confirm()
	b.See("h1", "Jobs")
	b.Gone("tr", "talk.mp4")
}

// TestSplitStory splits a video by chapters, and plays, edits and downloads the MP3s.
func TestSplitStory(t *testing.T) {
	t.Parallel()
	sound := mp3(t)
	server := gateway.New(t, func(s *gateway.Server) {
		s.Convert = func([]byte) []byte { return sound }
		s.Split = func([]byte) [][]byte { return [][]byte{sound, sound, sound} }
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	b.Click("Options for new jobs")
	b.Pick("Split into several MP3s", "split_chapters:true")
	b.Choose("Choose files", writeFile(t, "talk.mp4", gateway.Media(1000)))
	b.See("tr", "Download 3")
	if o := server.Jobs()[0].Options; !o.SplitChapters || o.SplitEvery != 0 {
		t.Errorf("the options are %+v", o)
	}
	b.Click("talk.mp4")
	b.See("dl", "split by chapters")
	b.See(".chapters", "1. Part 1")
	b.See(".chapters button[aria-current]", "1. Part 1")
	// At the end of an MP3, the next one plays.
	next := chromium.Eval[string](b, `new Promise((resolve, reject) => {
		const audio = document.querySelector("audio");
		audio.addEventListener("playing", () => { if (audio.src.endsWith("/2")) resolve(audio.getAttribute("aria-label")); });
		audio.addEventListener("error", () => reject(new Error(audio.error.message)));
		audio.play().then(() => { audio.currentTime = 0.8; }, reject);
	})`)
	if next != "Play Part 2" {
		t.Errorf("then it is %q", next)
	}
	b.Click("3. Part 3")
	b.See(".chapters button[aria-current]", "3. Part 3")
	inspect(t, b, "job with several MP3s")
	b.Device(1280, "light")

	dir := b.Downloads()
	b.Click("Download all MP3s as ZIP")
	checkParts(t, b.AwaitDownload(dir, "soundextract.zip"), sound)
	b.Click("Share with a link")
	b.Click("Create a link")
	b.See(".notice code", "/s/sxl_")
	guest := b.Another()
	guest.Run(chromedp.Navigate(b.Text(".notice code")))
	guest.See("h1", "talk")
	inspect(t, guest, "link to several MP3s")
	guest.Click("Download all 3 MP3s as a ZIP archive")
	checkParts(t, guest.AwaitDownload(dir, "talk.zip"), sound)
	guest.Run(chromedp.Navigate(server.URL + "/s/sxl_none"))
	guest.See("p", "This link does not work")
	inspect(t, guest, "link that does not work")
	b.Click("Edit the artist and album of all MP3s, and the labels")
	b.FillIn("Album", "Talks")
	b.Click("Save")
	b.See("#notices", "The changes are saved.")
	for _, track := range server.Jobs()[0].Tracks {
		if track.Album != "Talks" {
			t.Errorf("track %d has the album %q", track.Number, track.Album)
		}
	}
}

// checkParts checks a downloaded archive of the MP3s of talk.mp4.
func checkParts(t *testing.T, archive string, sound []byte) {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	for _, name := range []string{"talk/talk - 01 - Part 1.mp3", "talk/talk - 03 - Part 3.mp3"} {
		if got, err := fs.ReadFile(z, name); err != nil || !bytes.Equal(got, sound) {
			t.Errorf("%s in %s has %d bytes, %v", name, archive, len(got), err)
		}
	}
}

// TestRefusals checks that errors are shown as the API sends them.
func TestRefusals(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	b.Choose("Choose files", writeFile(t, "notes.mp4", []byte(strings.Repeat("only text\n", 100))))
	b.See(".uploads .error", "(not_media)")
	b.See(".uploads .error", "Hint: upload a video or audio file")
	b.Run(chromedp.Click(chromedp.CSS(".uploads button.quiet")))
	b.Gone(".uploads", "notes.mp4")

	server.AddJobs("anna", failedJob())
	b.Open("#/jobs/" + server.Jobs()[len(server.Jobs())-1].ID)
	b.See(".warning", "Warning: the recording has a gap (gap)")
	b.See(".error", "Error: the video has no audio (no_audio)")
	b.See(".error", "Hint: check the recording")
}
