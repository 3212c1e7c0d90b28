package converter

import (
	"context"
	"io"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Transcoder turns a video into an MP3.
type Transcoder interface {
	// Transcode reads src, which is size bytes long, and writes the MP3 to the file
	// at path out, which must not exist; the directory around it belongs to this
	// call. It calls progress from another goroutine from time to time. It uses
	// neither src nor progress after it has returned.
	//
	// An error caused by the video is an *sx.Error with a permanent code; any other
	// error may be temporary. Errors of src are wrapped. When ctx ends, Transcode
	// stops and returns ctx's cause.
	Transcode(ctx context.Context, src io.ReadSeeker, size int64, o sx.Options, out string, progress func(Progress)) (Result, error)
}

// Progress is the progress of a conversion.
type Progress struct {
	Percent   float64       // 0 to 100
	Remaining time.Duration // estimated; 0 if unknown
}

// Result describes a finished MP3.
type Result struct {
	Duration time.Duration // to the sample
}
