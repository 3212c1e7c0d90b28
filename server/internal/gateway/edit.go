package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// maxEdits is how many MP3s are edited at the same time, each of another account: a tag may
// have 24 MiB, and is in memory twice.
const maxEdits = 4

// editTimeout bounds an edit. Converters remove what a longer one would leave.
const editTimeout = 30 * time.Minute

// editJob changes the tags of a job's MP3s, and its labels.
func (s *Service) editJob(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), editTimeout)
	defer cancel()
	j, err := s.owned(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	var in api.JobEdit
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	if _, err := sx.Labels(in.AddLabels); err != nil {
		return err
	}
	change := id3.Change{Title: in.Title, Artist: in.Artist, Album: in.Album}
	for _, text := range []*string{in.Title, in.Artist, in.Album} {
		if text == nil {
			continue
		}
		if err := (sx.Options{Title: *text}).Check(); err != nil {
			return err
		}
		*text = sx.CleanTag(*text)
	}
	numbers, err := edited(j, in)
	if err != nil {
		return err
	}
	if len(numbers) > 0 {
		if j, err = s.editTracks(ctx, j, numbers, change); err != nil {
			return err
		}
	}
	if len(in.AddLabels)+len(in.RemoveLabels) > 0 {
		j, err = s.cfg.Updater.Update(ctx, j.ID, func(j *sx.Job) error {
			j.Updated = s.cfg.Now()
			return j.ChangeLabels(in.AddLabels, in.RemoveLabels)
		})
	}
	if err != nil {
		return err
	}
	return s.writeJob(w, r, j)
}

// edited returns the numbers of the MP3s whose tags the edit changes.
func edited(j sx.Job, e api.JobEdit) ([]int, error) {
	switch {
	case e.Title == nil && e.Artist == nil && e.Album == nil:
		return nil, nil
	case j.State != sx.StateDone || len(j.Tracks) == 0:
		return nil, noTrack(j)
	case e.Number != 0 && j.Track(e.Number) == nil:
		return nil, sx.NewError(sx.CodeNotFound, "job %s has no MP3 with the number %d", j.ID, e.Number).
			WithHint("choose a number from 1 to %d", len(j.Tracks))
	case e.Number != 0:
		return []int{e.Number}, nil
	case e.Title != nil && len(j.Tracks) > 1:
		return nil, sx.NewError(sx.CodeInvalid, "job %s has %d MP3s, which have titles of their own", j.ID, len(j.Tracks)).
			WithHint("specify the number of the MP3 with the title: --number (number)")
	}
	var all []int
	for _, t := range j.Tracks {
		all = append(all, t.Number)
	}
	return all, nil
}

// editTracks edits the MP3s with these numbers. Edits of an account take turns, so that it
// does not use more memory and storage than for one copy of an MP3.
func (s *Service) editTracks(ctx context.Context, j sx.Job, numbers []int, change id3.Change) (sx.Job, error) {
	release, err := s.ownerEdits.wait(ctx, j.Owner)
	if err != nil {
		return j, err
	}
	defer release()
	select {
	case s.edits <- struct{}{}:
		defer func() { <-s.edits }()
	case <-ctx.Done():
		return j, ctx.Err()
	}
	if j, err = s.owned(ctx, j.ID); err != nil { // the edits before have changed it
		return j, err
	}
	for _, number := range numbers {
		if j, err = s.editTrack(ctx, j, number, change); err != nil {
			return j, err
		}
	}
	return j, nil
}

// editTrack stores the MP3 with another tag as a new track, replaces the old one by it in
// the job, and removes the old one. If the process ends in between, a converter's sweep
// removes the one that the job does not have.
func (s *Service) editTrack(ctx context.Context, j sx.Job, number int, change id3.Change) (sx.Job, error) {
	if j.Track(number) == nil {
		return j, noTrack(j)
	}
	old := *j.Track(number)
	track := old
	track.ID = sx.EditedTrackID(old.ID, s.cfg.Now())
	if err := s.putEdited(ctx, old.ID, &track, change); err != nil {
		if sx.CodeOf(err) == sx.CodeNotFound { // another edit may have replaced the track since the job was read
			now, err := s.owned(ctx, j.ID)
			if err != nil {
				return j, err
			}
			if err := now.ReplaceTrack(old.ID, track, s.cfg.Now()); err != nil {
				return j, err
			}
		}
		return j, err
	}
	after, err := s.cfg.Updater.Update(ctx, j.ID, func(j *sx.Job) error { return j.ReplaceTrack(old.ID, track, s.cfg.Now()) })
	unused := old.ID
	switch code := sx.CodeOf(err); {
	case code == sx.CodeConflict, code == sx.CodeNotFound:
		unused = track.ID
	case err != nil: // the change may have been stored nevertheless
		return j, err
	}
	if err := s.cfg.Tracks.Remove(context.WithoutCancel(ctx), unused); err != nil {
		s.cfg.Log.WarnContext(ctx, "unused track not removed; a converter's sweep will do it", "track", unused, "error", err)
	}
	return after, err
}

// putEdited stores the track with the ID old, with another tag, under the ID of track,
// and sets the other fields of track.
func (s *Service) putEdited(ctx context.Context, old string, track *sx.Track, change id3.Change) error {
	blob, err := s.cfg.Tracks.Open(ctx, old)
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }() // read only
	tag, err := readTag(blob)
	if err != nil {
		return fmt.Errorf("read the tag of track %s: %w", old, err)
	}
	if tag, err = id3.Rewrite(tag, change); err != nil {
		return fmt.Errorf("edit the tag of track %s: %w", old, err)
	}
	head := store.Head{Size: len(tag), Bytes: func() ([]byte, error) { return tag, nil }}
	d, err := s.cfg.Tracks.Put(ctx, track.ID, track.Name, head, blob)
	if err != nil {
		return err
	}
	texts := id3.Main(tag)
	track.Size, track.SHA256 = d.Size, d.SHA256
	track.Title, track.Artist, track.Album = texts.Title, texts.Artist, texts.Album
	return nil
}

// readTag reads the tag at the beginning of an MP3; what follows remains to be read.
func readTag(blob store.Blob) ([]byte, error) {
	first := make([]byte, id3.HeaderSize)
	if n, err := io.ReadFull(blob, first); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	} else if n < len(first) || id3.Size(first) == 0 {
		_, err := blob.Seek(0, io.SeekStart)
		return nil, err
	}
	size := id3.Size(first)
	if size > id3.MaxSize {
		return nil, fmt.Errorf("it has %d bytes", size)
	}
	tag := make([]byte, size)
	copy(tag, first)
	_, err := io.ReadFull(blob, tag[len(first):])
	return tag, err
}
