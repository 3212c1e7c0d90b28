package audioonly_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// variant is a file whose MP3 must be the same from the audio alone and from the whole.
type variant struct {
	name string   // of the file; its extension selects ffmpeg's muxer
	args []string // for ffmpeg, after the inputs of makeMedia
	// edit changes the file's bytes, if it is not nil.
	edit    func(t *testing.T, b []byte) []byte
	options sx.Options
	// whole is part of the reason for which the whole file is sent; empty if only the
	// audio is.
	whole string
}

// testVariants tests the variants at the same time.
func testVariants(t *testing.T, variants []variant) {
	t.Helper()
	testkit.Need(t, "ffmpeg", "ffprobe")
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			path := makeMedia(t, v.name, v.args...)
			if v.edit != nil {
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, v.edit(t, b), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, path, v.options, v.whole)
		})
	}
}

// makeMedia creates a file of three seconds with ffmpeg from two inputs: 0 is a sound that
// differs at every moment, 48 kHz stereo; 1 is a picture, 10/s. args follow the inputs. In
// the name, what follows a space describes the variant.
func makeMedia(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in"+filepath.Ext(name))
	line := []string{
		"-nostdin", "-v", "error", "-y",
		"-f", "lavfi", "-i", "aevalsrc='0.4*sin(2*PI*(300+150*t)*t)|0.4*sin(2*PI*(900-70*t)*t)':s=48000:d=3",
		"-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=3",
	}
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append(append(line, args...), path)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return path
}

// compare converts the file and its audio alone, and demands the same MP3, duration,
// warnings and errors. If whole is not empty, it demands instead that the whole file is
// sent for this reason.
func compare(t *testing.T, path string, o sx.Options, whole string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	audio, err := audioonly.Open(f, info.Size(), audioonly.Options{Track: o.Track})
	if whole != "" {
		if e, ok := errors.AsType[*audioonly.WholeFileError](err); !ok || !strings.Contains(e.Reason, whole) {
			t.Fatalf("got %v, want the whole file because %s", err, whole)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if audio.Size() >= info.Size() {
		t.Errorf("%d bytes of %d", audio.Size(), info.Size())
	}
	want := convert(t, io.NewSectionReader(f, 0, info.Size()), o, nil)
	got := convert(t, io.NewSectionReader(audio, 0, audio.Size()), o, nil)
	if diff := cmp.Diff(want.outcome, got.outcome); diff != "" {
		t.Errorf("whole file (-), audio alone (+):\n%s", diff)
	}
	if !bytes.Equal(want.mp3, got.mp3) {
		t.Errorf("the MP3s differ: %d bytes from the whole file, %d from the audio alone", len(want.mp3), len(got.mp3))
	}
	if t.Failed() {
		keep(t, audio)
	}
}

// keep writes the virtual file to SX_TEST_KEEP, if it is set.
func keep(t *testing.T, audio *audioonly.File) {
	dir := os.Getenv("SX_TEST_KEEP")
	if dir == "" {
		return
	}
	name := strings.NewReplacer("/", "_", " ", "_").Replace(t.Name())
	out, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close() //nolint:errcheck // only for a person who looks for a defect
	if _, err := io.Copy(out, io.NewSectionReader(audio, 0, audio.Size())); err != nil {
		t.Error(err)
	}
}

// converted is what a conversion results in.
type converted struct {
	mp3     []byte
	outcome outcome
}

type outcome struct {
	Result  converter.Result
	Code    sx.Code
	Message string
}

// transcoder is created once, because that runs programs.
var transcoder = sync.OnceValues(func() (*ffmpeg.Transcoder, error) {
	return ffmpeg.New(context.Background(), ffmpeg.Config{Log: slog.New(slog.DiscardHandler)})
})

// convert converts a video, or files that are joined.
func convert(t *testing.T, video *io.SectionReader, o sx.Options, files []converter.File) converted {
	t.Helper()
	tc, err := transcoder()
	if err != nil {
		t.Fatal(err)
	}
	var c converted
	mp3s := map[int][]byte{} // by their tracks
	c.outcome.Result, err = tc.Transcode(t.Context(), converter.Input{Video: video, Size: video.Size(), Options: o, Files: files}, converter.Output{
		Progress: func(converter.Progress) {},
		Put: func(track int, head store.Head, body io.Reader) error {
			rest, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			first, err := head.Read()
			mp3s[track] = slices.Concat(first, rest)
			return err
		},
	})
	for track := 1; track <= len(mp3s); track++ {
		c.mp3 = append(c.mp3, mp3s[track]...)
	}
	if err != nil {
		c.outcome.Code, c.outcome.Message = sx.CodeOf(err), sx.AsError(err).Message
		c.mp3 = nil
		if !c.outcome.Code.Permanent() {
			t.Fatalf("%v", err)
		}
	}
	return c
}
