package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var errDisk = sx.NewError(sx.CodeUnavailable, "the store is unreachable")

// failing is a video whose reader fails at an offset.
type failing struct {
	*bytes.Reader
	from int64
	err  error
}

func (f *failing) Read(p []byte) (int, error) {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if at >= f.from {
		return 0, f.err
	}
	return f.Reader.Read(p[:min(int64(len(p)), f.from-at)])
}

// TestReadErrorIsTransient checks that a read error of the store is not
// mistaken for a truncated video.
func TestReadErrorIsTransient(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	mp4 := read(t, media(t, "in.mp4", video("-movflags", "+faststart")...))
	ts := read(t, media(t, "in.ts", video()...))
	mkv := read(t, media(t, "in.mkv", video()...))
	for _, tt := range []struct {
		name string
		data []byte
		from int64
		err  error
		want error
	}{
		{"immediately", mp4, 0, errDisk, errDisk},
		{"while probing", mp4, 5000, errDisk, errDisk},
		{"while converting", mp4, int64(len(mp4) * 3 / 4), errDisk, errDisk},
		{"in a stream", ts, int64(len(ts) * 3 / 4), errDisk, errDisk},
		{"in Matroska", mkv, int64(len(mkv) / 2), errDisk, errDisk},
		{"in the last bytes", mp4, int64(len(mp4) - 400), errDisk, errDisk},
		{"an early end", mkv, int64(len(mkv) / 2), io.EOF, io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := &failing{bytes.NewReader(tt.data), tt.from, tt.err}
			_, err := transcoder(t, nil).Transcode(t.Context(), converter.Input{Video: src, Size: int64(len(tt.data))}, discard)
			if !errors.Is(err, tt.want) || sx.CodeOf(err).Permanent() {
				t.Errorf("got %v, want %v\n%s", err, tt.want, causes(err))
			}
		})
	}
}

// failingAt is a video whose reader fails only right at an offset.
type failingAt struct {
	*bytes.Reader
	at int64
}

func (f *failingAt) Read(p []byte) (int, error) {
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at == f.at {
		return 0, errors.Join(err, errDisk)
	}
	return f.Reader.Read(p)
}

// TestReadErrorOfAHeader lets the store fail where the converter itself reads what follows
// the audio that a header declares.
func TestReadErrorOfAHeader(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	const declared = 100_000
	data := read(t, media(t, "in.wav", "-map", "0:a", "-fflags", "+bitexact"))
	at := bytes.Index(data, []byte("data")) + 4
	binary.LittleEndian.PutUint32(data[at:], declared)
	src := &failingAt{bytes.NewReader(data), int64(at) + 4 + declared}
	_, err := transcoder(t, nil).Transcode(t.Context(), converter.Input{Video: src, Size: int64(len(data))}, discard)
	if !errors.Is(err, errDisk) || sx.CodeOf(err).Permanent() {
		t.Errorf("got %v, want %v", err, errDisk)
	}
}

func TestMissingPrograms(t *testing.T) {
	t.Parallel()
	_, err := ffmpeg.New(t.Context(), ffmpeg.Config{FFprobe: filepath.Join(t.TempDir(), "ffprobe")})
	wantCode(t, err, sx.CodeUnavailable, "not found")
	_, err = ffmpeg.New(t.Context(), ffmpeg.Config{FFprobe: "true", FFmpeg: "false"})
	wantCode(t, err, sx.CodeUnavailable, "cannot run")
	_, err = ffmpeg.New(t.Context(), ffmpeg.Config{FFprobe: "true", FFmpeg: "true"})
	wantCode(t, err, sx.CodeUnavailable, "no MP3 encoder")
}
