package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/sx"
)

// Source is what is sent of a file: its audio, as a virtual file over ranges of it, or
// the whole file. The same file and options always give the same bytes.
type Source struct {
	io.ReaderAt

	file   *os.File
	size   int64
	audio  bool
	whole  string
	joined []*Source // of files that are joined, in their order
}

// OpenSource opens what is sent of a file. whole asks for the whole file. Reads of the
// source fail once ctx has ended. The caller must call Close.
func OpenSource(ctx context.Context, f mediafiles.File, options sx.Options, whole bool) (*Source, error) {
	if f.Joined != nil {
		return openJoined(ctx, f, options, whole)
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "cannot be opened any longer").
			WithHint("check that the file still exists, then run the same command again").WithCause(err)
	}
	r := contextReaderAt{ctx, file}
	s := &Source{ReaderAt: r, file: file, size: f.Size}
	if whole {
		s.whole = "--whole-file is given"
		return s, nil
	}
	audio, err := audioonly.Open(r, f.Size, audioonly.Options{Track: options.Track})
	if e, ok := errors.AsType[*audioonly.WholeFileError](err); ok {
		s.whole = e.Reason
		return s, nil
	}
	if err != nil {
		_ = file.Close()
		return nil, readFailed(ctx, err)
	}
	s.ReaderAt, s.size, s.audio = audio, audio.Size(), true
	return s, nil
}

// contextReaderAt returns the error of its context once that has ended.
type contextReaderAt struct {
	ctx context.Context //nolint:containedctx // of one upload
	r   io.ReaderAt
}

func (r contextReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.ReadAt(p, off)
}

// readFailed returns the error for a file whose disk returned err.
func readFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return sx.NewError(sx.CodeInvalid, "cannot be read to its end: %v", err).
		WithHint("check the disk that it is on, then run the same command again").WithCause(err)
}

// Size returns the number of bytes that are sent.
func (s *Source) Size() int64 { return s.size }

// AudioOnly reports whether only the audio is sent.
func (s *Source) AudioOnly() bool { return s.audio }

// WholeReason returns why the whole file is sent, as a clause; "" if it is not.
func (s *Source) WholeReason() string { return s.whole }

// Form returns the form of what is sent, with which its identity begins: audio1 for
// audio in the form of audioonly.Version 1, file1 for a whole file, join1 for files that are
// joined.
func (s *Source) Form() string {
	if s.joined != nil {
		return sx.JoinedFiles
	}
	if s.audio {
		return audioForm()
	}
	return "file1"
}

// Identity returns the source's identity: its form and the SHA-256 of what is sent, such
// as "audio1:" and 64 hexadecimal digits. It reads all of it.
func (s *Source) Identity(ctx context.Context) (string, error) {
	hash := sha256.New()
	n, err := io.CopyBuffer(hash, contextReader{ctx, io.NewSectionReader(s, 0, s.size)}, make([]byte, hashBlock))
	if err == nil && n < s.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", err
	}
	return s.identityOf(hex.EncodeToString(hash.Sum(nil))), nil
}

// identityOf returns the identity from the digest of what is sent.
func (s *Source) identityOf(digest string) string {
	if s.joined == nil {
		return s.Form() + ":" + digest
	}
	var sizes []int64
	for _, one := range s.joined {
		sizes = append(sizes, one.size)
	}
	return sx.JoinedIdentity(digest, sizes)
}

// hashBlock is how many bytes are read at once.
const hashBlock = 1 << 20

// Close closes the file.
func (s *Source) Close() {
	for _, one := range s.joined {
		one.Close()
	}
	if s.file != nil {
		_ = s.file.Close()
	}
}
