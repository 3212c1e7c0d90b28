package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/soundextract/sx/cli/acceptance/programs"
)

// encoding is a way to encode, in the terms of sx and of ffmpeg.
type encoding struct {
	name       string
	sx, ffmpeg []string
	target     float64
}

var (
	usual = []encoding{
		{"standard", []string{"--whole-file"}, []string{"-q:a", "2"}, 0.58},
		{"standard, only the audio stored", nil, []string{"-q:a", "2"}, 0.58},
		{"high", []string{"--whole-file", "--preset", "high"}, []string{"-b:a", "320k"}, 0.58},
		{"speech", []string{"--whole-file", "--preset", "speech"}, []string{"-ac", "1", "-b:a", "64k"}, 0.65},
	}
	// singles are encodings in which frames of dense chords depend on the reservoir.
	singles = []encoding{
		{"quality 0 of dense chords", []string{"--whole-file", "--quality", "0"}, []string{"-q:a", "0"}, 1.05},
		{"quality 9 of dense chords", []string{"--whole-file", "--quality", "9"}, []string{"-q:a", "9"}, 1.05},
	}
)

// hour compares the conversion of a stored video, from its claim to its end, with one
// ffmpeg.
func (b *bench) hour() error {
	for _, group := range []struct {
		signal    string
		encodings []encoding
	}{{film, usual}, {"chords", singles}} {
		video, err := b.video("hour.mp4", b.lengths.hour, picture4M, group.signal)
		if err != nil {
			return err
		}
		for _, e := range group.encodings {
			if err := b.encode(video, e); err != nil {
				return err
			}
		}
		if err := os.Remove(video); err != nil {
			return err
		}
	}
	return b.idle()
}

// encode compares one encoding.
func (b *bench) encode(video string, e encoding) error {
	server, err := programs.Find(b.data)
	if err != nil {
		return err
	}
	out := filepath.Join(b.dir, "out.mp3")
	alone := append([]string{"-i", video, "-map", "0:a:0"}, append(e.ffmpeg, out)...)
	var converted, ffmpeg, aloneCPU float64
	var used cpu
	for range attempts {
		if err := b.idle(); err != nil {
			return err
		}
		before, _ := cpuOf(server.PID) // known only on Linux
		c, err := b.convert(video, e.sx, func() (err error) { before.own, err = ownCPU(server.PID); return err })
		if err != nil {
			return err
		}
		after, _ := cpuOf(server.PID)
		if converted = best(converted, c.seconds()); converted == c.seconds() {
			used = after.since(before)
		}
		if err := b.idle(); err != nil {
			return err
		}
		cmd := b.ffmpeg(alone...)
		t, err := clock(func() error { return nil }, func() error { return timed(cmd) })
		if err != nil {
			return err
		}
		if ffmpeg = best(ffmpeg, t); ffmpeg == t {
			aloneCPU = exited(cmd)
		}
	}
	fmt.Printf("%s of video, %s: from claim to done %.1f s, one ffmpeg %.1f s, ratio %.2f (target on 2 cores: at most %.2f)\n",
		b.lengths.hour, e.name, converted, ffmpeg, converted/ffmpeg, e.target)
	if used.children == 0 {
		return nil
	}
	decoder, err := b.decode(video, e)
	if err != nil {
		return err
	}
	encoders := used.children - decoder
	total := used.children + used.own
	fmt.Printf("  CPU: decoder %.1f s, encoders %.1f s, the rest of sxd %.1f s; one ffmpeg %.1f s; %.2f of %d cores used\n",
		decoder, encoders, used.own, aloneCPU, total/converted, runtime.NumCPU())
	if e.target < 1 {
		const cores = 16
		computed := max(decoder, used.own, total/cores)
		fmt.Printf("  computed for %d cores: max(decoder, rest, sum ÷ %d) = %.1f s, ratio %.2f\n", cores, cores, computed, computed/ffmpeg)
	}
	return nil
}

// ownCPU returns the CPU time of a process without its children, or 0 on systems where it
// is unknown.
func ownCPU(pid int) (float64, error) {
	if runtime.GOOS != "linux" {
		return 0, nil
	}
	now, err := cpuOf(pid)
	return now.own, err
}

// decode returns the CPU time in seconds of decoding a video's sound to PCM.
func (b *bench) decode(video string, e encoding) (float64, error) {
	args := []string{"-i", video, "-map", "0:a:0", "-c:a", "pcm_f32le", "-ar", strconv.Itoa(sampleRate)}
	for i, option := range e.ffmpeg {
		if option == "-ac" {
			args = append(args, e.ffmpeg[i:i+2]...)
		}
	}
	cmd := b.ffmpeg(append(args, "-f", "nut", "pipe:1")...)
	cmd.Stdout = discard{}
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("decode: %w", err)
	}
	return exited(cmd), nil
}

// discard makes the command write to a pipe, as in the converter.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
