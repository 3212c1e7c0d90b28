package converter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// convert converts the video and stores the attempt's track; it does not record the
// track in the job.
func (s *Service) convert(ctx context.Context, job sx.Job, progress func(Progress)) (sx.Track, error) {
	id := sx.TrackID(job.ID, job.Attempt)
	dir := filepath.Join(s.TempDir, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return sx.Track{}, fmt.Errorf("create the temporary directory: %w", err)
	}
	defer s.removeTemp(ctx, dir)

	video, err := s.Videos.Open(ctx, job.ID)
	if err != nil {
		return sx.Track{}, fmt.Errorf("open the video: %w", err)
	}
	defer video.Close() //nolint:errcheck // it was only read
	out := filepath.Join(dir, "track.mp3")
	result, err := s.Transcoder.Transcode(ctx, video, video.Size(), job.Options, out, progress)
	if err != nil {
		return sx.Track{}, err
	}

	mp3, err := os.Open(out)
	if err != nil {
		return sx.Track{}, fmt.Errorf("open the finished MP3: %w", err)
	}
	defer mp3.Close() //nolint:errcheck // it was only read
	name := sx.MP3Name(job.Sent.Name)
	stored, err := s.Tracks.Put(ctx, id, name, store.Head{}, mp3)
	if err != nil {
		return sx.Track{}, fmt.Errorf("store the MP3: %w", err)
	}
	return sx.Track{ID: id, Name: name, Size: stored.Size, SHA256: stored.SHA256, Duration: result.Duration}, nil
}

func (s *Service) removeTemp(ctx context.Context, dir string) {
	if err := os.RemoveAll(dir); err != nil {
		s.Log.WarnContext(ctx, "temporary directory not removed", "path", dir, "error", err)
	}
}

// tempName matches the names of attempts' directories, the only ones that clearTemp
// removes.
var tempName = regexp.MustCompile(`^[a-z2-7]{16}-[0-9]+$`)

// clearTemp creates TempDir and removes files that a killed process left in it.
func (s *Service) clearTemp() error {
	if err := os.MkdirAll(s.TempDir, 0o700); err != nil {
		return fmt.Errorf("create the directory for temporary files: %w", err)
	}
	entries, err := os.ReadDir(s.TempDir)
	if err != nil {
		return fmt.Errorf("read the directory for temporary files: %w", err)
	}
	for _, e := range entries {
		if !tempName.MatchString(e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.TempDir, e.Name())); err != nil {
			return fmt.Errorf("remove the temporary files of an earlier run: %w", err)
		}
	}
	return nil
}
