package converter

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// convert converts the video and stores the attempt's track; it does not record the
// track in the job. After an error, no track is left.
func (s *Service) convert(ctx context.Context, job sx.Job, progress func(Progress)) (sx.Track, []sx.Warning, error) {
	video, err := s.Videos.Open(ctx, job.ID)
	if err != nil {
		return sx.Track{}, nil, fmt.Errorf("open the video: %w", err)
	}
	defer video.Close() //nolint:errcheck // it was only read
	track := sx.Track{ID: sx.TrackID(job.ID, job.Attempt), Name: sx.MP3Name(job.Sent.Name)}
	stored := false
	put := func(head store.Head, body io.Reader) error {
		d, err := s.Tracks.Put(ctx, track.ID, track.Name, readTexts(head, &track), body)
		if err != nil {
			return fmt.Errorf("store the MP3: %w", err)
		}
		track.Size, track.SHA256, stored = d.Size, d.SHA256, true
		return nil
	}
	result, err := s.Transcoder.Transcode(ctx,
		Input{Video: video, Size: video.Size(), Options: job.Options, Owner: job.Owner},
		Output{Put: put, Progress: progress})
	if err == nil && !stored {
		err = errors.New("the conversion stored no MP3")
	}
	if err != nil {
		if stored {
			s.removeTrack(ctx, track.ID)
		}
		return sx.Track{}, nil, err
	}
	track.Duration = result.Duration
	return track, result.Warnings, nil
}

// readTexts returns the head, and sets the track's texts from the tag at its beginning.
func readTexts(head store.Head, track *sx.Track) store.Head {
	if head.Bytes == nil {
		return head
	}
	return store.Head{Size: head.Size, Bytes: func() ([]byte, error) {
		b, err := head.Bytes()
		if n := id3.Size(b); err == nil && n <= int64(len(b)) {
			texts := id3.Main(b[:n])
			track.Title, track.Artist, track.Album = texts.Title, texts.Artist, texts.Album
		}
		return b, err
	}}
}
