package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/soundextract/sx/cli/internal/knownfiles"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/sx"
)

// Input is a file whose identity is determined and that is uploaded if necessary. It is
// opened when first needed, and only once, because finding the audio in a file without an
// index reads all of it.
type Input struct {
	File    mediafiles.File
	Options sx.Options

	ctx      context.Context //nolint:containedctx // ends the reads of one command
	files    *knownfiles.Records
	whole    bool
	src      *Source
	identity string
	record   *uploadRecord // nil unless it is reserved
}

// Open returns the file as an input. Reads of it fail once ctx has ended. The caller must
// call Close.
func (u *Uploader) Open(ctx context.Context, f mediafiles.File, options sx.Options) *Input {
	return &Input{File: f, Options: options, ctx: ctx, files: u.Files, whole: u.WholeFile}
}

// Close closes the file, and ends its reservation.
func (in *Input) Close() {
	if in.src != nil {
		in.src.Close()
	}
	if in.record != nil {
		in.record.close()
	}
}

// Identity returns the identity of what is sent of the file (see Source.Identity). The
// file is read only if the records do not know it.
func (in *Input) Identity(progress Progress) (identity string, err error) {
	if in.identity == "" {
		in.identity, err = in.files.Identity(in.File.Path, in.variant(), func() (string, error) { return in.read(progress) })
	}
	return in.identity, err
}

// reread determines the identity again, whatever the records know.
func (in *Input) reread(progress Progress) (identity string, err error) {
	in.files.Forget(in.File.Path, in.variant())
	in.identity = ""
	return in.Identity(progress)
}

// variant distinguishes what can be sent of a file.
func (in *Input) variant() string {
	variant := fmt.Sprintf("%s %s", audioForm(), in.Options.Track)
	if in.whole {
		variant = "whole"
	}
	if in.File.Joined != nil {
		others := sha256.New()
		for _, f := range in.File.Joined[1:] {
			_, _ = fmt.Fprintf(others, "%q %s\n", f.Path, knownfiles.Stamp(f.Path))
		}
		variant += " joined " + hex.EncodeToString(others.Sum(nil)[:16])
	}
	return variant
}

func (in *Input) read(progress Progress) (string, error) {
	src, err := in.source(progress)
	if err != nil {
		return "", err
	}
	defer sayReading(progress)()
	identity, err := src.Identity(in.ctx)
	if err == nil || in.ctx.Err() != nil {
		return identity, err
	}
	if changed := in.checkUnchanged(); changed != nil {
		return "", changed
	}
	return "", readFailed(in.ctx, err)
}

// source opens the source.
func (in *Input) source(progress Progress) (src *Source, err error) {
	if in.src == nil {
		defer sayReading(progress)()
		in.src, err = OpenSource(in.ctx, in.File, in.Options, in.whole)
	}
	return in.src, err
}

var errChanged = errors.New("the file changed")

// checkUnchanged returns an error if the file has changed since it was found.
func (in *Input) checkUnchanged() error {
	for _, f := range in.File.All() {
		info, err := os.Stat(f.Path)
		if err == nil && info.Size() == f.Size && info.ModTime().Equal(f.ModTime) {
			continue
		}
		changed := sx.NewError(sx.CodeInvalid, "changed during the upload").
			WithHint("once nothing writes to the file any more, run the same command to upload it again").WithCause(errChanged)
		if in.File.Joined != nil {
			changed = changed.WithMessage("%s changed during the upload", f.Name)
		}
		return changed
	}
	return nil
}

// audioForm is the form of the audio that is sent alone; see Source.Form.
func audioForm() string { return fmt.Sprintf("audio%d", audioonly.Version) }
