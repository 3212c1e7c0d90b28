package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// clip compares sx convert with ffmpeg on a clip of 10 s.
func (b *bench) clip() error {
	video, err := b.video("clip.mp4", 10*time.Second, picture4M, film)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(video) }()
	out := filepath.Join(b.dir, "out.mp3")
	sx, ffmpeg, err := compare(b.idle,
		func() error { return b.sx("convert", video, "--force", "-o", out) },
		func() error { return timed(b.ffmpeg("-i", video, "-vn", "-q:a", "2", out)) },
	)
	if err != nil {
		return err
	}
	fmt.Printf("10 s of video: sx convert %.2f s, ffmpeg alone %.2f s, %.2f s more (target: at most 0.15 s more)\n", sx, ffmpeg, sx-ffmpeg)
	return nil
}
