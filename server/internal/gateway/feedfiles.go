package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/store"
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
	// The cover is sent from the stored MP3, because it may be large and a client slow.
	var cover section
	var kind string
	var digest [sha256.Size]byte
	blob, err := s.readFeedTag(r, func(raw []byte, t id3.Tag) {
		front := t.Front()
		cover.from, cover.size = int64(bytes.Index(raw, front)), int64(len(front))
		kind, digest = http.DetectContentType(front), sha256.Sum256(front)
	})
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }() // read only
	if cover.ReadSeeker = blob; cover.from < 0 || kind != "image/jpeg" && kind != "image/png" {
		return writeArtwork(w, r)
	}
	if _, err := cover.Seek(0, io.SeekStart); err != nil {
		return err
	}
	w.Header().Set("Content-Type", kind)
	servePart(w, r, &cover, digest, time.Time{})
	return nil
}

// section is a part of what is read.
type section struct {
	io.ReadSeeker

	from, size int64
	at         int64 // from the beginning of the section
}

func (s *section) Read(p []byte) (int, error) {
	if s.at >= s.size {
		return 0, io.EOF
	}
	n, err := s.ReadSeeker.Read(p[:min(int64(len(p)), s.size-s.at)])
	s.at += int64(n)
	return n, err //nolint:wrapcheck // io.EOF must stay as it is
}

func (s *section) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.size
	}
	if _, err := s.ReadSeeker.Seek(s.from+offset, io.SeekStart); err != nil {
		return 0, fmt.Errorf("seek: %w", err)
	}
	s.at = offset
	return offset, nil
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
	blob, err := s.readFeedTag(r, func(_ []byte, t id3.Tag) {
		for _, c := range t.Chapters() {
			out.Chapters = append(out.Chapters, feedChapter{c.Start.Seconds(), c.End.Seconds(), c.Title})
		}
	})
	if err != nil {
		return err
	}
	_ = blob.Close() // read only
	content, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode chapters: %w", err)
	}
	w.Header().Set("Content-Type", chaptersType)
	return s.serveBytes(w, r, content, time.Time{})
}

// readFeedTag calls use with the tag of the MP3 of a feed that the request names, and
// returns the MP3, which the caller must close. Tags of an account are read one after the
// other, so that one feed cannot keep the others waiting.
func (s *Service) readFeedTag(r *http.Request, use func(raw []byte, t id3.Tag)) (store.Blob, error) {
	j, err := s.feedJob(r)
	if err != nil {
		return nil, err
	}
	release, err := s.ownerTags.wait(r.Context(), j.Owner)
	if err != nil {
		return nil, err
	}
	defer release()
	select {
	case s.tags <- struct{}{}:
		defer func() { <-s.tags }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	track, blob, err := s.openTrack(r, func() (sx.Job, error) { return s.feedJob(r) }, "")
	if err != nil {
		return nil, err
	}
	tag, err := readTag(blob)
	if err != nil {
		_ = blob.Close() // read only
		return nil, fmt.Errorf("read the tag of track %s: %w", track.ID, err)
	}
	use(tag, id3.Parse(tag))
	return blob, nil
}
