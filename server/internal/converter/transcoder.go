package converter

import (
	"context"
	"io"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Transcoder turns a video into an MP3.
type Transcoder interface {
	// Transcode reads src, size bytes long, and writes the MP3 to the file at
	// path out, which does not exist yet; the folder around it is the call's
	// own. It calls progress now and then from another goroutine, and not after
	// it has returned. src is not used after that either.
	//
	// What is wrong with the video is an *sx.Error of a permanent code. Any
	// other error may heal: one of src is passed on in the chain, and the end
	// of ctx ends the work at once with ctx's cause.
	Transcode(ctx context.Context, src io.ReadSeeker, size int64, o sx.Options, out string, progress func(Progress)) (Result, error)
}

// Progress is how far a conversion is.
type Progress struct {
	Percent   float64       // 0 to 100
	Remaining time.Duration // estimated time left; 0 is unknown
}

// Result describes a finished MP3.
type Result struct {
	Duration time.Duration // exact to the sample
}
