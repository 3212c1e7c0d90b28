package converter

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Transcoder turns a video into MP3s.
type Transcoder interface {
	// Transcode converts the video and passes each MP3 to out.Put while it is being
	// produced. It uses neither in nor out after it has returned. If it returns an
	// error, what it has put is removed.
	//
	// An error caused by the video is an *sx.Error with a permanent code; any other
	// error may be temporary. Errors of the video's reader and of out.Put are
	// wrapped. When ctx ends, Transcode stops and returns ctx's cause.
	Transcode(ctx context.Context, in Input, out Output) (Result, error)
}

// ProgramError is the failure of one of ffmpeg's programs, with the last lines that it wrote.
type ProgramError struct {
	Program string
	Err     error
	Lines   []string
}

func (e *ProgramError) Error() string {
	return fmt.Sprintf("%s: %v: %s", e.Program, e.Err, strings.Join(e.Lines, " | "))
}

func (e *ProgramError) Unwrap() error { return e.Err }

// Input is a video and what is to be done with it.
type Input struct {
	Video   io.ReadSeeker
	Size    int64 // of the video in bytes
	Options sx.Options
	Owner   string // the user's ID; conversions of several owners share the CPUs fairly
	// Files are the files that are joined, in their order, of which Video consists; nil if
	// there is one.
	Files []File
}

// File is one of several files that are joined.
type File struct {
	Name string
	Size int64 // bytes of it in the video
}

// Output is where a conversion's results go. Its functions may be called from any
// goroutine, but each only by one at a time.
type Output struct {
	// Put stores the MP3 with the number, from 1: head, followed by body, which it reads
	// until its end, as fast as it is stored. It returns when all of it is stored, or
	// cannot be. An error of body or of the head is wrapped. After a success, a further
	// call with the number replaces the MP3. No number may be left out.
	Put func(number int, head store.Head, body io.Reader) error
	// Progress reports progress from time to time. It does not block.
	Progress func(Progress)
}

// Progress is the progress of a conversion.
type Progress struct {
	Percent   float64       // 0 to 100
	Remaining time.Duration // estimated; 0 if unknown
}

// Result describes the finished MP3s.
type Result struct {
	// Durations are those of each, in the order of their numbers, to the sample. MP3s with
	// higher numbers that were put are none of the result.
	Durations []time.Duration
	// Titles are the titles of the chapters that the MP3s are, if there are several.
	Titles   []string
	Warnings []sx.Warning // what the owner should know about them
}
