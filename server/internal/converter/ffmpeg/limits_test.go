//go:build unix

package ffmpeg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.ts", video()...)
	const busy = `while :; do :; done`
	for _, tt := range []struct {
		name   string
		change func(*ffmpeg.Config)
		code   sx.Code
	}{
		{"CPU time of the probe", func(c *ffmpeg.Config) {
			c.FFprobe, _ = program(t, busy)
			c.MaxProbe = time.Millisecond
		}, sx.CodeUnreadable},
		{"CPU time of the conversion", func(c *ffmpeg.Config) {
			c.FFmpeg, _ = program(t, "case $* in *nut*) "+busy+";; esac; cat >/dev/null") // only the decoder is busy
			c.MinCPU, c.MaxCPU = time.Millisecond, time.Millisecond
		}, sx.CodeTimeLimit},
		{"output", func(c *ffmpeg.Config) { c.MaxOutput = 20_000 }, sx.CodeOutputLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := convertWith(t.Context(), t, transcoder(t, tt.change), src, sx.Options{})
			wantCode(t, err, tt.code, "")
		})
	}
}

// TestIdleIsTemporary checks that a program that does nothing is ended, which a retry may
// cure.
func TestIdleIsTemporary(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.ts", video()...)
	tc := transcoder(t, func(c *ffmpeg.Config) {
		c.FFmpeg, _ = program(t, `exec sleep 600`)
		c.MaxIdle = 300 * time.Millisecond
	})
	_, _, err := convertWith(t.Context(), t, tc, src, sx.Options{})
	if err == nil || sx.CodeOf(err).Permanent() || !strings.Contains(err.Error(), "no progress") {
		t.Errorf("got %v", err)
	}
}

// TestReportIsNotRead checks that a file is not to blame for a report of ffprobe that
// could not be read to its end, here because a child of ffprobe holds the pipe open.
func TestReportIsNotRead(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.mp4", video()...)
	tc := transcoder(t, func(c *ffmpeg.Config) { c.FFprobe, _ = program(t, `sleep 15 & echo '{}'`) })
	_, _, err := convertWith(t.Context(), t, tc, src, sx.Options{})
	if err == nil || sx.CodeOf(err).Permanent() {
		t.Errorf("got %v", err)
	}
}

// program writes a shell script that replaces ffmpeg. The script writes its process
// group to the file started.
func program(t *testing.T, body string) (path, started string) {
	t.Helper()
	dir := t.TempDir()
	started = filepath.Join(dir, "started")
	path = filepath.Join(dir, "ffmpeg")
	script := fmt.Sprintf("#!/bin/sh\ncase $* in *-encoders*|*/fd/*|*sx-encoder-*) exec ffmpeg \"$@\";; *-decoders*) exec ffprobe \"$@\";; esac\necho $$ >%s.tmp; mv %s.tmp %s\n%s\n", started, started, started, body)
	// Another process writes it: were it open here while a parallel test forks, it could
	// not be run ("text file busy").
	write := exec.CommandContext(t.Context(), "sh", "-c", `cat >"$1" && chmod 700 "$1"`, "sh", path)
	write.Stdin = strings.NewReader(script)
	if err := write.Run(); err != nil {
		t.Fatal(err)
	}
	return path, started
}

// stalled is a video whose reader blocks in the middle until ctx ends.
type stalled struct {
	*bytes.Reader
	ctx     context.Context
	stop    int64
	reached chan<- struct{} // receives a value, unless it holds one, once the end is reached
}

func (s *stalled) Read(p []byte) (int, error) {
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if at >= s.stop {
		select {
		case s.reached <- struct{}{}:
		default:
		}
		<-s.ctx.Done()
		return 0, s.ctx.Err()
	}
	return s.Reader.Read(p[:min(int64(len(p)), s.stop-at)])
}

// groupOf waits for the process group that the program writes.
func groupOf(t *testing.T, started string) int {
	t.Helper()
	var group int
	testkit.Eventually(t, "start of the program", func() bool {
		data, err := os.ReadFile(started)
		if err != nil {
			return false
		}
		group, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	})
	return group
}

func gone(group int) bool { return errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) }

func TestCancelKillsTheWholeGroup(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	sound := read(t, mediaFrom(t, "anoisesrc=duration=900:sample_rate=8000", "in.wav", "-map", "0:a", "-c:a", "pcm_s16le"))
	for _, tt := range []struct{ name, body string }{
		{"ffmpeg waits for its input", `exec ffmpeg "$@"`},
		{"a child ignores SIGTERM", `trap "" TERM; sleep 600 & wait`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, started := program(t, tt.body)
			tc := transcoder(t, func(c *ffmpeg.Config) { c.FFmpeg = path })
			why := errors.New("the owner cancelled")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			result := make(chan error, 1)
			go func() {
				src := &stalled{bytes.NewReader(sound), ctx, int64(len(sound) / 2), nil}
				_, err := tc.Transcode(ctx, converter.Input{Video: src, Size: int64(len(sound))}, discard)
				result <- err
			}()
			group := groupOf(t, started)
			if gone(group) {
				t.Fatal("no process is running")
			}
			start := time.Now()
			cancel(why)
			if err := <-result; !errors.Is(err, why) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took > 20*time.Second { // immediately, with a margin for a busy machine
				t.Errorf("it took %s", took)
			}
			testkit.Eventually(t, "end of the process group", func() bool { return gone(group) })
		})
	}
}

// TestCrashes checks that a video that makes ffmpeg crash twice in a row is the cause.
func TestCrashes(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.mp4", video()...)
	// Only the decoder crashes.
	const count = `case $* in *nut*) ;; *) exec ffmpeg "$@";; esac; echo >>"$(dirname "$0")/count"; `
	for _, tt := range []struct {
		name, body string
		code       sx.Code // "" means success
		times      int
	}{
		{"always", count + `kill -SEGV $$`, sx.CodeUnreadable, 2},
		{"once", count + `[ $(wc -l <"$(dirname "$0")/count") -gt 1 ] || kill -SEGV $$; exec ffmpeg "$@"`, "", 2},
		{"in another way", count + `[ $(wc -l <"$(dirname "$0")/count") -gt 1 ] || kill -SEGV $$; kill -ABRT $$`, sx.CodeInternal, 2},
		{"killed", count + `kill -KILL $$`, sx.CodeOutOfMemory, 1},
		{"in the middle of a packet", count + `ffmpeg "$@" | head -c 300001; kill -SEGV $$`, sx.CodeUnreadable, 2},
		{"killed in the middle of a packet", count + `ffmpeg "$@" | head -c 300001; kill -KILL $$`, sx.CodeOutOfMemory, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, _ := program(t, "PATH=/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin; "+tt.body)
			tc := transcoder(t, func(c *ffmpeg.Config) { c.FFmpeg = path })
			_, _, err := convertWith(t.Context(), t, tc, src, sx.Options{})
			if sx.CodeOf(err) != tt.code || tt.code == sx.CodeInternal && !strings.Contains(err.Error(), "signal") {
				t.Errorf("got %v", err)
			}
			if n := bytes.Count(read(t, filepath.Join(filepath.Dir(path), "count")), []byte("\n")); n != tt.times {
				t.Errorf("it ran %d times, want %d", n, tt.times)
			}
		})
	}
}

// TestProbeIsKilled checks that the converter, and not the video, is blamed if ffprobe is
// killed, as where memory runs out.
func TestProbeIsKilled(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.mp4", video()...)
	path, _ := program(t, `kill -KILL $$`)
	tc := transcoder(t, func(c *ffmpeg.Config) { c.FFprobe = path })
	_, _, err := convertWith(t.Context(), t, tc, src, sx.Options{})
	wantCode(t, err, sx.CodeOutOfMemory, "was killed, probably because the converter ran out of memory")
}

// TestEncodersAreKilled checks that lost encoders are not blamed on the video either, in a
// single pass and where several encode.
func TestEncodersAreKilled(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	// More PCM than the encoder's pipe holds, so that it is lost while it is written to.
	src := mediaFrom(t, "sine=frequency=440:sample_rate=48000:duration=60", "in.mp4", video()...)
	for name, quality := range map[string]int{"single pass": 0, "several": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, _ := program(t, `PATH=/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin
case $* in *"-flush_packets 1"*) head -c 100000 >/dev/null; kill -KILL $$;; *) exec ffmpeg "$@";; esac`)
			tc := transcoder(t, func(c *ffmpeg.Config) { c.FFmpeg = path })
			_, _, err := convertWith(t.Context(), t, tc, src, sx.Options{Quality: &quality})
			wantCode(t, err, sx.CodeOutOfMemory, "was killed, probably because the converter ran out of memory")
		})
	}
}

// TestSearchEndsWithItsAnswer lets a search for the stream that continues the audio take very
// long after its answer, as in a file of many gigabytes.
func TestSearchEndsWithItsAnswer(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	path := join(t, "in.ts", media(t, "a.ts", video("-c:a", "aac")...), media(t, "b.ts", video("-c:a", "ac3", "-output_ts_offset", "3")...))
	tc := transcoder(t, func(c *ffmpeg.Config) {
		c.FFprobe, _ = program(t, `PATH=/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin
case $* in *pts_time,pos*) ffprobe "$@"; while :; do echo 0,0; done;; *) exec ffprobe "$@";; esac`)
		c.MaxProbe = time.Second
	})
	_, result, err := convertWith(t.Context(), t, tc, path, sx.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, causes(err))
	}
	if !near(result.Duration, 6*time.Second, 200*time.Millisecond) {
		t.Errorf("duration %s, want 6 s", result.Duration)
	}
}

// TestManyFramesInATag gives ffprobe a tag for which it takes quadratic time.
func TestManyFramesInATag(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	var frames bytes.Buffer
	for i := 0; frames.Len() < 1_900_000; i++ {
		text := "\x00" + strconv.Itoa(i) + "\x00x"
		frames.WriteString("TXXX")
		frames.Write([]byte{0, 0, 0, byte(len(text)), 0, 0})
		frames.WriteString(text)
	}
	n := frames.Len()
	tag := append([]byte{'I', 'D', '3', 4, 0, 0, byte(n >> 21 & 127), byte(n >> 14 & 127), byte(n >> 7 & 127), byte(n & 127)}, frames.Bytes()...)
	path := write(t, filepath.Join(t.TempDir(), "in.mp3"), append(tag, read(t, media(t, "in.mp3", "-map", "0:a"))...))
	tc := transcoder(t, func(c *ffmpeg.Config) { c.MaxProbe = time.Second })
	_, _, err := convertWith(t.Context(), t, tc, path, sx.Options{})
	wantCode(t, err, sx.CodeUnreadable, "opening the file takes more than 1s of CPU time")
}

func TestProgramsSeeNoSecrets(t *testing.T) {
	testkit.Need(t, "ffmpeg", "ffprobe")
	t.Setenv("SX_TEST_SECRET", "hunter2")
	path, started := program(t, `to=$(dirname "$0")/env; { env; ulimit -n; } >"$to.$$"; mv "$to.$$" "$to"; exit 3`)
	tc := transcoder(t, func(c *ffmpeg.Config) { c.FFmpeg = path })
	if _, _, err := convertWith(t.Context(), t, tc, media(t, "in.mp4", video()...), sx.Options{}); err == nil {
		t.Error("no error")
	}
	env := string(read(t, filepath.Join(filepath.Dir(started), "env")))
	if strings.Contains(env, "hunter2") || !strings.Contains(env, "LC_ALL=C") || !strings.Contains(env, "\n64\n") {
		t.Errorf("environment and open files:\n%s", env)
	}
}

// TestReadErrorWithSuccess checks that a read error of the store is detected
// even if ffmpeg succeeds.
func TestReadErrorWithSuccess(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	path, _ := program(t, `PATH=/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin
case "$*" in *http:*) ffmpeg "$@" || true;; *) exec ffmpeg "$@";; esac`)
	tc := transcoder(t, func(c *ffmpeg.Config) { c.FFmpeg = path })
	data := read(t, media(t, "in.mp4", video("-movflags", "+faststart")...))
	src := &failing{bytes.NewReader(data), int64(len(data) - 400), errDisk}
	_, err := tc.Transcode(t.Context(), converter.Input{Video: src, Size: int64(len(data))}, discard)
	if !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
}

// TestPictureIsNotDecoded checks that only audio and cover art are decoded.
func TestPictureIsNotDecoded(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	note := func(name string) (string, string) {
		path, started := program(t, `PATH=/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin; `+name+` "$@" 2>"$(dirname "$0")/stderr"`)
		return path, filepath.Join(filepath.Dir(started), "stderr")
	}
	ffmpegPath, ffmpegSaid := note("ffmpeg")
	ffprobePath, ffprobeSaid := note("ffprobe")
	tc := transcoder(t, func(c *ffmpeg.Config) { c.FFmpeg, c.FFprobe = ffmpegPath, ffprobePath })
	if _, _, err := convertWith(t.Context(), t, tc, media(t, "in.ts", video()...), sx.Options{}); err != nil {
		t.Fatalf("%v\n%s", err, causes(err))
	}
	for _, path := range []string{ffmpegSaid, ffprobeSaid} {
		if said := string(read(t, path)); !strings.Contains(said, "Codec (mpeg2video) not on whitelist") && !strings.Contains(said, "Codec (h264) not on whitelist") {
			t.Errorf("%s: a decoder of pictures was not refused:\n%s", path, said)
		}
	}
}

// TestOutputIsChecked checks that what an encoder should not write is not accepted.
func TestOutputIsChecked(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	src := media(t, "in.mp4", video()...)
	// Only the encoders are replaced: they write to a pipe without an Info frame.
	encoder := `case "$*" in *write_xing*) ;; *) exec ffmpeg "$@";; esac; cat >/dev/null; `
	for _, tt := range []struct {
		name, body string
		code       sx.Code
	}{
		{"nothing", encoder, sx.CodeInternal},
		{"no MP3", encoder + `head -c 5000 /dev/zero`, sx.CodeInternal},
		{"half a frame", encoder + `ffmpeg -v error -f lavfi -i sine=duration=3 -write_xing 0 -id3v2_version 0 -f mp3 - | head -c 5001`, sx.CodeInternal},
		{"a short one", encoder + `ffmpeg -v error -f lavfi -i sine=duration=1 -write_xing 0 -id3v2_version 0 -f mp3 -`, sx.CodeInternal},
		{"other settings", encoder + `ffmpeg -v error -f lavfi -i sine=duration=3 -ar 48000 -b:a 32k -write_xing 0 -id3v2_version 0 -f mp3 -`, sx.CodeInternal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The script needs a PATH to find ffmpeg: the environment has none.
			path, _ := program(t, "PATH=/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin; "+tt.body)
			_, _, err := convertWith(t.Context(), t, transcoder(t, func(c *ffmpeg.Config) { c.FFmpeg = path }), src, sx.Options{})
			if sx.CodeOf(err) != tt.code {
				t.Errorf("got %v, want %s\n%s", err, tt.code, causes(err))
			}
		})
	}
}

// TestHugeCover converts a file with cover art that does not fit into a tag. No other test
// runs beside it, because it counts what is allocated.
func TestHugeCover(t *testing.T) {
	testkit.Need(t, "ffmpeg", "ffprobe")
	dir := t.TempDir()
	cover, src := filepath.Join(dir, "cover.jpg"), filepath.Join(dir, "in.mkv")
	write(t, cover, make([]byte, 200<<20))
	run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=2", "-c:a", "pcm_s16le", "-attach", cover, "-metadata:s:t", "mimetype=image/jpeg", src)
	before := allocated()
	_, result := mustConvert(t, src, sx.Options{})
	wantWarnings(t, result.Warnings, sx.WarningTags)
	if n := allocated() - before; n > 128<<20 {
		t.Errorf("%d MiB were allocated", n>>20)
	}
}
