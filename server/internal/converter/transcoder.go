package converter

import (
	"context"
	"io"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Transcoder turns a video into an MP3.
type Transcoder interface {
	// Transcode converts the video and passes the MP3 to out.Put while it is being
	// produced. It uses neither in nor out after it has returned. If it returns an
	// error, what it has put is removed.
	//
	// An error caused by the video is an *sx.Error with a permanent code; any other
	// error may be temporary. Errors of the video's reader and of out.Put are
	// wrapped. When ctx ends, Transcode stops and returns ctx's cause.
	Transcode(ctx context.Context, in Input, out Output) (Result, error)
}

// Input is a video and what is to be done with it.
type Input struct {
	Video   io.ReadSeeker
	Size    int64 // of the video in bytes
	Options sx.Options
	Owner   string // the user's ID; conversions of several owners share the CPUs fairly
}

// Output is where a conversion's results go. Its functions may be called from any
// goroutine, but each only by one at a time.
type Output struct {
	// Put stores the MP3: head, followed by body, which it reads until its end, as
	// fast as it is stored. It returns when all of it is stored, or cannot be. An
	// error of body or of the head is wrapped. After a success, a further call
	// replaces the MP3.
	Put func(head store.Head, body io.Reader) error
	// Progress reports progress from time to time. It does not block.
	Progress func(Progress)
}

// Progress is the progress of a conversion.
type Progress struct {
	Percent   float64       // 0 to 100
	Remaining time.Duration // estimated; 0 if unknown
}

// Result describes a finished MP3.
type Result struct {
	Duration time.Duration // to the sample
	Warnings []sx.Warning  // what the owner should know about the MP3
}
