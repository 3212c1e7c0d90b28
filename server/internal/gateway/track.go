package gateway

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// getTrack hands out the MP3, whole or in ranges.
func (s *Service) getTrack(w http.ResponseWriter, r *http.Request) error {
	j, err := s.owned(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if j.Track == nil {
		return noTrack(j)
	}
	digest, err := hex.DecodeString(j.Track.SHA256)
	if err != nil {
		return fmt.Errorf("read the digest of track %s: %w", j.Track.ID, err)
	}
	blob, err := s.cfg.Tracks.Open(r.Context(), j.Track.ID)
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }() // it was only read
	h := w.Header()
	h.Set("Content-Type", "audio/mpeg")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-cache") // kept, but asked for each time by its tag
	h.Set("ETag", `"`+j.Track.SHA256+`"`)
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(digest)+":") // RFC 9530
	h.Set("Content-Disposition", attachment(trackName(j.Video.Name)))
	http.ServeContent(newSteadyWriter(w), r, "", time.Time{}, blob)
	return nil
}

func noTrack(j sx.Job) error {
	e := sx.NewError(sx.CodeConflict, "%s is not converted: job %s is %s", j.Video.Name, j.ID, j.State)
	switch {
	case !j.State.Final():
		return e.WithHint("wait for it with: sx watch %s", j.ID)
	case j.State == sx.StateExpired, j.Video.SHA256 == "":
		return e.WithHint("upload the file again with: sx upload")
	default:
		return e.WithHint("try again with: sx retry %s", j.ID)
	}
}

// trackName is the video's name with the extension of an MP3.
func trackName(video string) string {
	if base := strings.TrimSuffix(video, path.Ext(video)); base != "" {
		video = base
	}
	return video + ".mp3"
}

// attachment is the value of Content-Disposition (RFC 6266): the name for
// everyone in ASCII, and in full for those that know RFC 8187.
func attachment(name string) string {
	params := map[string]string{"filename": strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)}
	if params["filename"] != name {
		params["filename*"] = "UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return mime.FormatMediaType("attachment", params)
}

// writeLimit is how long one write to a client may take.
const writeLimit = 30 * time.Second

// steadyWriter gives each write a deadline of its own: a download may take
// hours, but a client that takes nothing any more is let go.
type steadyWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func newSteadyWriter(w http.ResponseWriter) *steadyWriter {
	return &steadyWriter{w, http.NewResponseController(w)}
}

// Unwrap lets http.ResponseController find the connection.
func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write implements http.ResponseWriter.
func (w *steadyWriter) Write(b []byte) (int, error) {
	if err := w.control.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return 0, fmt.Errorf("set write deadline: %w", err)
	}
	return w.ResponseWriter.Write(b)
}
