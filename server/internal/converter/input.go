package converter

import (
	"errors"
	"fmt"
	"io"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// inputOf returns what is converted for the job: its video, or only the audio of it, from
// which the same MP3 is made, if the video's index says where that is. The pictures, which
// are most of a video, are then not read.
func inputOf(job sx.Job, video store.Blob) (Input, error) {
	in := Input{Video: video, Size: video.Size(), Options: job.Options, Owner: job.Owner, Files: joined(job)}
	if job.Sent.AudioOnly || in.Files != nil {
		return in, nil
	}
	audio, err := audioonly.Open(video, video.Size(), audioonly.Options{Track: job.Options.Track, Index: true})
	if _, ok := errors.AsType[*audioonly.WholeFileError](err); ok {
		return in, nil
	}
	if err != nil {
		return in, fmt.Errorf("read the video's index: %w", err)
	}
	in.Video, in.Size = io.NewSectionReader(audio, 0, audio.Size()), audio.Size()
	return in, nil
}

// joined returns the files that are joined; nil if there is one.
func joined(job sx.Job) (list []File) {
	if len(job.Sources) < 2 {
		return nil
	}
	for _, f := range job.Sources {
		list = append(list, File{Name: f.Name, Size: f.Sent})
	}
	return list
}
