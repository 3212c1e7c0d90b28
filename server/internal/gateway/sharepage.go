package gateway

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/markup"
	"github.com/soundextract/sx/server/sx"
)

//go:embed share.css
var sharePageStyle string

// sharePolicy permits the page its own style, and the MP3s of this server. It has no scripts.
var sharePolicy = func() string {
	sum := sha256.Sum256([]byte(sharePageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// shareView is what the page shows: MP3s, or an error.
type shareView struct {
	Title   string
	Tracks  []sharedTrackView
	Archive string // the path of the archive of several MP3s, and their size
	Size    string
	Error   *api.Error
}

type sharedTrackView struct {
	Title, By, Name, Path, Duration, Size string
}

// writeSharePage writes the page of a job's MP3s.
func writeSharePage(w http.ResponseWriter, r *http.Request, j sx.Job) {
	view := shareView{Title: sharedName(j), Archive: r.URL.Path + strings.TrimPrefix(api.PathSharedArchive, api.PathSharePage)}
	var bytes int64
	for _, t := range j.Tracks {
		bytes += t.Size
		v := sharedTrackView{
			Title: t.Title, By: t.Artist, Name: t.Name, Path: r.URL.Path + "/" + strconv.Itoa(t.Number),
			Duration: clock(t.Duration), Size: sx.FormatSize(t.Size),
		}
		if v.Title == "" {
			v.Title = strings.TrimSuffix(t.Name, ".mp3")
		}
		view.Tracks = append(view.Tracks, v)
	}
	if len(view.Tracks) == 1 {
		view.Title = view.Tracks[0].Title
	}
	view.Size = sx.FormatSize(bytes)
	writeShareView(w, http.StatusOK, view)
}

// clock returns a length as players show it, such as 18:30 or 1:02:03.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second) / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// writeShareError writes the page of a link that does not work.
func writeShareError(w http.ResponseWriter, err error) {
	e := api.FromError(err)
	writeShareView(w, e.Code.Status(), shareView{Title: "SoundExtract", Error: &e})
}

func writeShareView(w http.ResponseWriter, status int, view shareView) {
	page := view.html()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", sharePolicy)
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, page) // an error means that the client has disconnected
}

func (v shareView) html() string {
	var b markup.Builder
	b.Printf(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex, nofollow">
<title>%s</title>
<style>%s</style>
</head>
<body>
<main>
<h1>%s</h1>
`, v.Title, markup.Raw(sharePageStyle), v.Title)
	if v.Error != nil {
		b.Printf("<div class=\"error\">\n<p>%s</p>\n<p>%s</p>\n</div>\n", v.Error.Message, v.Error.Hint)
	}
	preload, several := "metadata", len(v.Tracks) > 1
	if several {
		preload = "none"
		b.Printf("<p><a href=\"%s\">Download all %d MP3s as a ZIP archive</a> (%s)</p>\n", v.Archive, len(v.Tracks), v.Size)
	}
	for _, t := range v.Tracks {
		b.Printf("<section aria-label=\"%s\">\n", t.Title)
		if several {
			b.Printf("<h2>%s</h2>\n", t.Title)
		}
		if t.By != "" {
			b.Printf("<p>%s</p>\n", t.By)
		}
		b.Printf(`<audio controls preload="%s" src="%s"></audio>
<p><a href="%s" download="%s">Download %s</a> (%s, %s)</p>
</section>
`, preload, t.Path, t.Path, t.Name, t.Name, t.Duration, t.Size)
	}
	b.Printf("</main>\n</body>\n</html>\n")
	return b.String()
}
