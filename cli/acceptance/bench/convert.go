package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// convert compares sx convert with ffmpeg on the same file.
func (b *bench) convert() error {
	for _, length := range []struct {
		name    string
		seconds int
	}{{"10 s", 10}, {"10 min", 600}} {
		video := filepath.Join(b.dir, fmt.Sprintf("talk%d.mp4", length.seconds))
		if err := b.timed(exec.CommandContext(b.ctx, "ffmpeg", "-v", "error", "-y",
			"-f", "lavfi", "-i", fmt.Sprintf("testsrc=size=320x180:rate=10:duration=%d", length.seconds),
			"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc=0.3*sin(1000*t)+0.05*random(0):s=44100:d=%d:c=stereo", length.seconds),
			"-c:v", "mpeg4", "-c:a", "aac", video)); err != nil {
			return err
		}
		out := filepath.Join(b.dir, "out.mp3")
		sx, ffmpeg, ratio, diff, err := b.pair(b.idle,
			func() error { return b.sx("convert", video, "--force", "-o", out) },
			func() error {
				return b.timed(exec.CommandContext(b.ctx, "ffmpeg", "-v", "error", "-y", "-i", video, "-vn", "-q:a", "2", out))
			},
		)
		if err != nil {
			return err
		}
		fmt.Printf("convert %s of video: sx convert %.2f s, ffmpeg alone %.2f s, ratio %.2f, %.2f s more (target: at most 0.2 s more)\n",
			length.name, sx, ffmpeg, ratio, diff)
	}
	return nil
}
