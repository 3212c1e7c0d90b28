package converter

import (
	"context"
	"fmt"
	"io"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// convert converts the video and stores the attempt's tracks; it does not record them in
// the job. After an error, no track is left.
func (s *Service) convert(ctx context.Context, job sx.Job, progress func(Progress)) ([]sx.Track, []sx.Warning, error) {
	video, err := s.Videos.Open(ctx, job.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("open the video: %w", err)
	}
	defer video.Close() //nolint:errcheck // it was only read
	reserved, err := s.reserve(ctx, job)
	if err != nil {
		return nil, nil, err
	}
	out := &outcome{Service: s, job: job, reserved: reserved}
	in, err := inputOf(job, video)
	if err != nil {
		return nil, nil, err
	}
	result, err := s.Transcoder.Transcode(ctx, in,
		Output{
			Put:      func(number int, head store.Head, body io.Reader) error { return out.put(ctx, number, head, body) },
			Progress: progress,
		})
	if err == nil {
		err = out.complete(ctx, result)
	}
	if err != nil {
		s.removeTracks(ctx, out.tracks)
		return nil, nil, err
	}
	return out.tracks, result.Warnings, nil
}

// outcome is what an attempt has stored.
type outcome struct {
	*Service
	job      sx.Job
	reserved *reservation
	tracks   []sx.Track // in the order of their numbers
}

// put implements Output.Put.
func (o *outcome) put(ctx context.Context, number int, head store.Head, body io.Reader) error {
	if number < 1 || number > len(o.tracks)+1 {
		return fmt.Errorf("the conversion stores MP3 %d, but only %d before it", number, len(o.tracks))
	}
	before := int64(head.Size)
	for i, t := range o.tracks {
		if i != number-1 {
			before += t.Size
		}
	}
	if err := o.reserved.atLeast(ctx, before); err != nil {
		return err
	}
	track := sx.Track{ID: sx.TrackID(o.job.ID, o.job.Attempt, number), Name: sx.MP3Name(o.job.Sent.Name)}
	ctx, span := tracing.Start(ctx, "store MP3")
	d, err := o.Tracks.Put(ctx, track.ID, track.Name, readTexts(head, &track), o.reserved.reader(ctx, body, before))
	tracing.End(span, err)
	if err != nil {
		return fmt.Errorf("store the MP3: %w", err)
	}
	track.Size, track.SHA256 = d.Size, d.SHA256
	if number > len(o.tracks) {
		o.tracks = append(o.tracks, track)
	}
	o.tracks[number-1] = track
	return nil
}

// complete removes what was stored too much, and sets the durations and, of several, the
// names.
func (o *outcome) complete(ctx context.Context, result Result) error {
	n := len(result.Durations)
	if n == 0 || n > len(o.tracks) || n > sx.MaxTracks || len(result.Titles) > 0 && len(result.Titles) != n {
		return fmt.Errorf("the conversion stored %d MP3s, and has the durations of %d and the titles of %d", len(o.tracks), n, len(result.Titles))
	}
	o.removeTracks(ctx, o.tracks[n:])
	o.tracks = o.tracks[:n]
	for i, d := range result.Durations {
		o.tracks[i].Duration = d
		if n > 1 {
			title := ""
			if len(result.Titles) > 0 {
				title = result.Titles[i]
			}
			o.tracks[i].Name = sx.PartName(o.job.Sent.Name, i+1, n, title)
		}
	}
	return nil
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
