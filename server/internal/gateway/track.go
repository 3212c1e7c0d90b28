package gateway

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// maxRanges is how many ranges one response may have: each range, however short, adds
// about 128 bytes. A request for more gets the whole file.
const maxRanges = 16

// getTrack serves the MP3, whole or in ranges.
func (s *Service) getTrack(w http.ResponseWriter, r *http.Request) error {
	return s.serveTrack(w, r, func() (sx.Job, error) { return s.owned(r.Context(), r.PathValue("id")) })
}

// serveTrack serves the MP3 that the request names, of the job that find returns.
func (s *Service) serveTrack(w http.ResponseWriter, r *http.Request, find func() (sx.Job, error)) error {
	track, blob, err := s.openTrack(r, find, "")
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }() // read only
	digest, err := hex.DecodeString(track.SHA256)
	if err != nil {
		return fmt.Errorf("decode the digest of track %s: %w", track.ID, err)
	}
	h := w.Header()
	h.Set("Content-Type", "audio/mpeg")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-cache") // cached, but revalidated by its ETag each time
	h.Set("ETag", `"`+track.SHA256+`"`)
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(digest)+":") // RFC 9530
	h.Set("Content-Disposition", attachment(track.Name))
	http.ServeContent(w, r, "", time.Time{}, &countingBlob{blob, s.metrics.trackBytes})
	return nil
}

// limitRanges removes the header Range if it has more than maxRanges. A server may ignore it
// (RFC 9110 section 14.2).
func limitRanges(h http.Header) {
	if strings.Count(strings.Join(h.Values("Range"), ","), ",") >= maxRanges {
		h.Del("Range")
	}
}

// openTrack opens the track that the request names. An edit may put another one in its
// place and remove it before it is opened; then that one is opened. missing is the ID of
// a track that was removed.
func (s *Service) openTrack(r *http.Request, find func() (sx.Job, error), missing string) (*sx.Track, store.Blob, error) {
	j, err := find()
	if err != nil {
		return nil, nil, err
	}
	if len(j.Tracks) == 0 {
		return nil, nil, noTrack(j)
	}
	number, _ := strconv.Atoi(r.PathValue("number"))
	track := j.Track(number)
	if track == nil {
		return nil, nil, sx.NewError(sx.CodeNotFound, "job %s has no track %q", j.ID, r.PathValue("number"))
	}
	blob, err := s.cfg.Tracks.Open(r.Context(), track.ID)
	if sx.CodeOf(err) == sx.CodeNotFound && track.ID != missing {
		return s.openTrack(r, find, track.ID)
	}
	return track, blob, err
}

func noTrack(j sx.Job) error {
	e := sx.NewError(sx.CodeConflict, "%s has no MP3: job %s is %s", j.Sent.Name, j.ID, j.State)
	switch {
	case !j.State.Final():
		return e.WithHint("wait until job %s is done", j.ID)
	case j.State == sx.StateExpired, j.Sent.SHA256 == "":
		return e.WithHint("upload the file again")
	default:
		return e.WithHint("retry job %s", j.ID)
	}
}

// attachment returns the value of Content-Disposition (RFC 6266): the name in
// ASCII for all clients, and in full for those that know RFC 8187.
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

// countingBlob counts the bytes that are read.
type countingBlob struct {
	store.Blob

	bytes prometheus.Counter
}

func (b *countingBlob) Read(p []byte) (int, error) {
	n, err := b.Blob.Read(p)
	b.bytes.Add(float64(n))
	return n, err //nolint:wrapcheck // io.EOF must stay as it is
}
