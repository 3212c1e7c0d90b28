package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/soundextract/sx/server/testkit/stack"
)

// large measures the memory of gateway and converter while a video of 2 GiB is
// uploaded and converted; ffmpeg, a separate process, does not count.
func (s *services) large() error {
	const size = 2 << 30
	video := filepath.Join(s.dir, "large.mkv")
	// Uncompressed frames of 160 kB, 25 per second, and mono audio.
	const picture, rate = 480 * 224 * 3 / 2, 25
	seconds := size/(picture*rate) + 1
	if err := s.timed(exec.CommandContext(s.ctx, "ffmpeg", "-v", "error", "-y",
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc=size=480x224:rate=%d:duration=%d", rate, seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=440:duration=%d", seconds),
		"-c:v", "rawvideo", "-pix_fmt", "yuv420p", "-c:a", "aac", video)); err != nil {
		return err
	}
	defer func() { _ = os.Remove(video) }()
	measured := map[string]*stack.Process{"gateway": s.Gateways[0], "converter": s.Converters[0]}
	peak := map[string]int64{}
	done := make(chan error, 1)
	go func() { done <- s.sx("convert", video, "--force", "-o", filepath.Join(s.dir, "large.mp3")) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for name, p := range measured {
				now, err := rss(s.bench, p.PID())
				if err != nil {
					return err
				}
				peak[name] = max(peak[name], now)
			}
		case err := <-done:
			if err != nil {
				return err
			}
			fmt.Printf("peak memory during upload and conversion of 2 GiB: gateway %d MiB, converter %d MiB (target: under 128 MiB each)\n",
				peak["gateway"]>>20, peak["converter"]>>20)
			return nil
		}
	}
}
