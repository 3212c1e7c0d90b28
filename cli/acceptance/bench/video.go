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

// loop is the time after which the picture repeats.
const loop = 64 * time.Second

// film is the signal that is the sound of a real film. Generated sounds need more bits.
const film = "film"

// filmPath is the film, relative to the module of the CLI.
const filmPath = "../demo/big-buck-bunny.mp4"

// video writes a video (H.264 and stereo AAC) and returns its path. Picture and packets of
// sound repeat, with continuous timestamps. The signal is film or one of package sound.
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
	for range int(length/minSound) + 1 {
		repeated = append(repeated, bytes.NewReader(packets))
	}
	// With the usual queues of eight packets, ffmpeg sleeps most of the time.
	cmd := b.ffmpeg("-thread_queue_size", "4096", "-stream_loop", "-1", "-i", pictures,
		"-thread_queue_size", "4096", "-f", "aac", "-i", "pipe:0", "-map", "0:v", "-map", "1:a",
		"-c", "copy", "-bsf:a", "aac_adtstoasc", "-t", strconv.FormatFloat(length.Seconds(), 'f', -1, 64), path)
	cmd.Stdin = io.MultiReader(repeated...)
	if err := timed(cmd); err != nil {
		return "", err
	}
	return path, os.Remove(pictures)
}

// minSound is the minimum length of sound's packets.
const minSound = 20 * time.Second

// sound returns some of a signal, as AAC in ADTS.
func (b *bench) sound(name string) ([]byte, error) {
	input, pcm, err := b.signal(name)
	if err != nil {
		return nil, err
	}
	cmd := b.ffmpeg(append(input, "-vn", "-ac", "2", "-ar", strconv.Itoa(sampleRate), "-c:a", "aac", "-b:a", "128k", "-f", "adts", "pipe:1")...)
	cmd.Stdin = pcm
	packets, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("encode the signal %s: %w", name, err)
	}
	return packets, nil
}

// signal returns ffmpeg's input options for a signal, and its standard input.
func (b *bench) signal(name string) ([]string, io.Reader, error) {
	if name == film {
		return []string{"-i", filmPath}, nil, nil
	}
	signals := sound.Signals()
	i := slices.IndexFunc(signals, func(s sound.Signal) bool { return s.Name == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("there is no signal %s", name)
	}
	pcm := signals[i].PCM(sampleRate, 2, int(loop.Seconds())*sampleRate)
	return []string{"-f", "f32le", "-ar", strconv.Itoa(sampleRate), "-ac", "2", "-i", "pipe:0"}, bytes.NewReader(pcm), nil
}
