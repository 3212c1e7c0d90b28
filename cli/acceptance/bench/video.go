package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/testkit/sound"
)

// picture is a video's picture.
type picture []string // options of ffmpeg

// picture4M is like a recording's: with the sound, about 4 Mbit/s.
var picture4M = picture{
	"-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-vf", "noise=alls=30:allf=t", "-c:v", "libx264", "-preset", "ultrafast",
	"-b:v", "3850k", "-minrate", "3850k", "-maxrate", "3850k", "-bufsize", "3850k", "-x264-params", "nal-hrd=cbr",
}

// pictureTiny adds next to nothing to the sound.
var pictureTiny = picture{"-f", "lavfi", "-i", "testsrc2=size=64x36:rate=1", "-c:v", "libx264", "-preset", "ultrafast"}

// sampleRate is that of the videos' sound, in Hz.
const sampleRate = 48000

// loop is the length of what videos repeat: a whole number of AAC frames (of 1024
// samples).
const loop = 64 * time.Second

// video writes a video (H.264 and stereo AAC) and returns its path. It encodes only the
// loop: picture and packets of sound repeat, with continuous timestamps.
func (b *bench) video(name string, length time.Duration, p picture, signal string) (string, error) {
	seconds := strconv.FormatFloat(loop.Seconds(), 'f', -1, 64)
	pictures := filepath.Join(b.dir, "pictures.mp4")
	if err := timed(b.ffmpeg(append(slices.Clone(p), "-pix_fmt", "yuv420p", "-t", seconds, pictures)...)); err != nil {
		return "", err
	}
	packets, err := b.sound(signal)
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, name)
	var repeated []io.Reader
	for range int(length/loop) + 1 {
		repeated = append(repeated, bytes.NewReader(packets))
	}
	cmd := b.ffmpeg("-stream_loop", "-1", "-i", pictures, "-f", "aac", "-i", "pipe:0", "-map", "0:v", "-map", "1:a",
		"-c", "copy", "-bsf:a", "aac_adtstoasc", "-t", strconv.FormatFloat(length.Seconds(), 'f', -1, 64), path)
	cmd.Stdin = io.MultiReader(repeated...)
	if err := timed(cmd); err != nil {
		return "", err
	}
	return path, os.Remove(pictures)
}

// sound returns the loop of a signal of package sound, as AAC in ADTS.
func (b *bench) sound(name string) ([]byte, error) {
	signals := sound.Signals()
	i := slices.IndexFunc(signals, func(s sound.Signal) bool { return s.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no signal %s", name)
	}
	cmd := b.ffmpeg("-f", "f32le", "-ar", strconv.Itoa(sampleRate), "-ac", "2", "-i", "pipe:0",
		"-c:a", "aac", "-b:a", "128k", "-f", "adts", "pipe:1")
	cmd.Stdin = bytes.NewReader(signals[i].PCM(sampleRate, 2, int(loop.Seconds())*sampleRate))
	packets, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("encode the signal %s: %w", name, err)
	}
	return packets, nil
}
