package page_test

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

var update = flag.Bool("update", false, "write the pictures of docs/web.md to docs/images")

// maxPicture is how large a picture in the docs may be in bytes.
const maxPicture = 100_000

// TestPictures takes the pictures of docs/web.md. They are artefacts, unless -update replaces
// those in the docs (make pictures).
func TestPictures(t *testing.T) {
	t.Parallel()
	sound, long, short := talk(t), recording(t, "lecture-04.mp4", 400), recording(t, "interview-2.mp4", 240)
	held, finish := make(chan struct{}), make(chan struct{})
	defer close(finish)
	server := gateway.New(t, func(s *gateway.Server) {
		s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch && len(r.Header.Get("Upload-Offset")) > 6 {
				held <- struct{}{}
				<-finish
			}
			return false
		}
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("ada")
	done := addPictured(server, sound)

	lens(b, 960, 1000, "light")
	b.Reload()
	b.See("tr", "lecture-03.mkv")
	takePicture(t, b, "jobs")

	lens(b, 960, 680, "light")
	b.Choose("Choose files", long, short)
	<-held
	<-held
	b.See(".uploads li", "of 5.8 MB of audio")
	chromium.Eval[int](b, `(scrollTo(0, 0), 0)`)
	takePicture(t, b, "uploads")

	lens(b, 960, 710, "dark")
	b.Open("#/jobs/" + done)
	b.See(".chapters", "Questions")
	chromium.Eval[float64](b, `new Promise((resolve) => {
		const audio = document.querySelector("audio");
		audio.addEventListener("seeked", () => resolve(audio.currentTime));
		audio.currentTime = 642;
	})`)
	b.See(".chapters button[aria-current]", "Rooms that ring")
	takePicture(t, b, "job")

	b.Click("Share with a link")
	b.Click("Create a link")
	b.See(".notice code", server.URL+"/s/sxl_")
	lens(b, 480, 260, "light")
	b.Run(chromedp.Navigate(b.Text(".notice code")))
	b.See("h1", "Sound in rooms")
	takePicture(t, b, "link")
}

const talkLength = 1110 * time.Second

// talk is an MP3 with chapters.
func talk(t *testing.T) []byte {
	t.Helper()
	testkit.Need(t, "ffmpeg")
	const chapters = ";FFMETADATA1\ntitle=Sound in rooms\nartist=Ada\n" +
		"[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=240\ntitle=Introduction\n" +
		"[CHAPTER]\nTIMEBASE=1/1\nSTART=240\nEND=515\ntitle=How sound travels\n" +
		"[CHAPTER]\nTIMEBASE=1/1\nSTART=515\nEND=930\ntitle=Rooms that ring\n" +
		"[CHAPTER]\nTIMEBASE=1/1\nSTART=930\nEND=1110\ntitle=Questions\n"
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=1110:r=24000",
		"-i", writeFile(t, "chapters.txt", []byte(chapters)), "-map_metadata", "1", "-b:a", "64k", "-f", "mp3", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// recording creates a video of some seconds of which the browser sends only the audio, and
// returns its path.
func recording(t *testing.T, name string, seconds int) string {
	t.Helper()
	needModule(t)
	path := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error",
		"-f", "lavfi", "-i", "anoisesrc=c=pink:r=48000:seed=1", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=1",
		"-t", strconv.Itoa(seconds), "-c:a", "ac3", "-b:a", "192k", "-c:v", "mjpeg", "-q:v", "1", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// addPictured adds ada's jobs and returns the ID of the one that is done.
func addPictured(server *gateway.Server, sound []byte) (done string) {
	add := func(name string, size int64, ago time.Duration, state sx.State, labels ...string) sx.Job {
		j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: name, Size: size}, Size: size, Labels: labels}, time.Now().Add(-ago))
		j.State = state
		return j
	}
	first := add("talk.mp4", 412_000_000, 3*24*time.Hour, sx.StateQueued, "talks")
	second := add("lecture-01.mkv", 1_100_000_000, 26*time.Hour, sx.StateQueued, "lectures", "week 1")
	third := add("lecture-02.mkv", 980_000_000, 2*time.Hour, sx.StateFailed, "lectures", "week 2")
	third.Error = sx.NewError(sx.CodeNoAudio, "the video has no audio")
	running := add("lecture-03.mkv", 1_240_000_000, 4*time.Minute, sx.StateRunning, "lectures", "week 3")
	running.Attempt, running.Progress = 1, 42
	waiting := add("interview.mov", 655_000_000, time.Minute, sx.StateQueued)
	server.AddJobs("ada", first, second, third, running, waiting)
	for _, j := range []sx.Job{first, second} {
		server.Finish(j.ID, sound)
	}
	server.Change(first.ID, func(j *sx.Job) {
		j.Tracks[0].Title, j.Tracks[0].Artist, j.Tracks[0].Duration = "Sound in rooms", "Ada", talkLength
	})
	server.Change(second.ID, func(j *sx.Job) { j.Tracks[0].Size, j.Tracks[0].Duration = 41_300_000, 45*time.Minute })
	return first.ID
}

// lens sets the size of the window, at twice the pixels, and the theme.
func lens(b *chromium.Tab, width, height int64, theme string) {
	b.Device(width, theme)
	b.Run(chromedp.EmulateViewport(width, height, chromedp.EmulateScale(2)))
}

// takePicture takes a picture of the window.
func takePicture(t *testing.T, b *chromium.Tab, name string) {
	t.Helper()
	shot, err := png.Decode(bytes.NewReader(b.Capture()))
	if err != nil {
		t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, reduce(shot)); err != nil {
		t.Fatal(err)
	}
	if small.Len() > maxPicture {
		t.Errorf("the picture %s has %d bytes, more than %d", name, small.Len(), maxPicture)
	}
	dir := t.ArtifactDir()
	if *update {
		dir = "../../../docs/images"
	}
	if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".png"), small.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reduce returns the picture with the 256 colours that are most frequent in it.
func reduce(from image.Image) image.Image {
	frequent := map[color.Color]int{}
	bounds := from.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			frequent[color.RGBAModel.Convert(from.At(x, y))]++
		}
	}
	palette := color.Palette(slices.SortedFunc(maps.Keys(frequent), func(a, z color.Color) int {
		return cmp.Or(cmp.Compare(frequent[z], frequent[a]), cmp.Compare(rgb(a), rgb(z)))
	}))
	palette = palette[:min(len(palette), 256)]
	nearest := map[color.Color]uint8{}
	to := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := from.At(x, y)
			i, ok := nearest[c]
			if !ok {
				i = uint8(palette.Index(c)) //nolint:gosec // there are at most 256
				nearest[c] = i
			}
			to.SetColorIndex(x, y, i)
		}
	}
	return to
}

func rgb(c color.Color) uint32 {
	r, g, b, _ := c.RGBA()
	return r>>8<<16 | g>>8<<8 | b>>8
}
