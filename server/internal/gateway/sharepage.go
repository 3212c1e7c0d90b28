package gateway

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

//go:embed share.html
var sharePageText string

//go:embed share.css
var sharePageStyle string

var sharePageTemplate = template.Must(template.New("").Parse(sharePageText))

// sharePolicy permits the page its own style, and the MP3s of this server. It has no scripts.
var sharePolicy = func() string {
	sum := sha256.Sum256([]byte(sharePageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// shareView is what the page shows: MP3s, or an error.
type shareView struct {
	Title   string
	Style   template.CSS
	Tracks  []sharedTrackView
	Archive string // the path of the archive of several MP3s, and their size
	Size    string
	Error   *api.Error
}

type sharedTrackView struct {
	Title, By, Name, Path, Duration, Size string
}

// writeSharePage writes the page of a job's MP3s.
func writeSharePage(w http.ResponseWriter, r *http.Request, j sx.Job) error {
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
	return writeShareView(w, http.StatusOK, view)
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
func writeShareError(w http.ResponseWriter, err error) error {
	e := api.FromError(err)
	return writeShareView(w, e.Code.Status(), shareView{Title: "SoundExtract", Error: &e})
}

func writeShareView(w http.ResponseWriter, status int, view shareView) error {
	view.Style = template.CSS(sharePageStyle) //nolint:gosec // it is embedded in the program
	var page bytes.Buffer
	if err := sharePageTemplate.Execute(&page, view); err != nil {
		return fmt.Errorf("write the page of a link: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", sharePolicy)
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // an error means that the client has disconnected
	return nil
}
