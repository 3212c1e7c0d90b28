package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/sx"
)

// maxTags is how many tags of MP3s are read at the same time for chapters and covers: a tag
// may have 24 MiB, and an app asks for the covers of all items at once.
const maxTags = 4

// feedTrack serves an MP3 of a feed.
func (s *Service) feedTrack(w http.ResponseWriter, r *http.Request) error {
	guardShared(w)
	return s.serveTrack(w, r, func() (sx.Job, error) { return s.feedJob(r) })
}

// feedArtwork serves the picture of a feed.
func (s *Service) feedArtwork(w http.ResponseWriter, r *http.Request) error {
	guardShared(w)
	if _, _, err := s.feedOf(r); err != nil {
		return err
	}
	return writeArtwork(w, r)
}

// feedCover serves the front cover in an MP3's tag, or else the picture of the feed.
func (s *Service) feedCover(w http.ResponseWriter, r *http.Request) error {
	guardShared(w)
	var cover []byte
	err := s.readFeedTag(r, func(t id3.Tag) { cover = bytes.Clone(t.Front()) })
	if err != nil {
		return err
	}
	switch kind := http.DetectContentType(cover); kind {
	case "image/jpeg", "image/png":
		w.Header().Set("Content-Type", kind)
		serveBytes(w, r, cover, time.Time{})
		return nil
	default:
		return writeArtwork(w, r)
	}
}

// feedChapters are the chapters of an MP3 as Podcasting 2.0 defines them
// (podcastindex-org/podcast-namespace, chapters/jsonChapters.md).
type feedChapters struct {
	Version  string        `json:"version"`
	Chapters []feedChapter `json:"chapters"`
}

type feedChapter struct {
	Start float64 `json:"startTime"` // seconds
	End   float64 `json:"endTime"`
	Title string  `json:"title"`
}

// serveChapters serves the chapters in an MP3's tag; an MP3 without has an empty list.
func (s *Service) serveChapters(w http.ResponseWriter, r *http.Request) error {
	guardShared(w)
	out := feedChapters{Version: "1.2.0", Chapters: []feedChapter{}}
	err := s.readFeedTag(r, func(t id3.Tag) {
		for _, c := range t.Chapters() {
			out.Chapters = append(out.Chapters, feedChapter{c.Start.Seconds(), c.End.Seconds(), c.Title})
		}
	})
	if err != nil {
		return err
	}
	content, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode chapters: %w", err)
	}
	w.Header().Set("Content-Type", chaptersType)
	serveBytes(w, r, content, time.Time{})
	return nil
}

// readFeedTag calls use with the tag of the MP3 of a feed that the request names.
func (s *Service) readFeedTag(r *http.Request, use func(id3.Tag)) error {
	select {
	case s.tags <- struct{}{}:
		defer func() { <-s.tags }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	track, blob, err := s.openTrack(r, func() (sx.Job, error) { return s.feedJob(r) }, "")
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }() // read only
	tag, err := readTag(blob)
	if err != nil {
		return fmt.Errorf("read the tag of track %s: %w", track.ID, err)
	}
	use(id3.Parse(tag))
	return nil
}
