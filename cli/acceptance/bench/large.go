package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// large measures the memory of gateway and converter while a video of 2 GiB is
// uploaded and converted; ffmpeg, a separate process, does not count.
func (s *services) large() error {
	const size = 2 << 30
	video := filepath.Join(s.dir, "large.mkv")
	// Uncompressed frames of 160 kB, 25 per second, and mono audio.
	const picture, rate = 480 * 224 * 3 / 2, 25
	seconds := size/(picture*rate) + 1
	if err := timed(s.ffmpeg(
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc=size=480x224:rate=%d:duration=%d", rate, seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=440:duration=%d", seconds),
		"-c:v", "rawvideo", "-pix_fmt", "yuv420p", "-c:a", "aac", video)); err != nil {
		return err
	}
	defer func() { _ = os.Remove(video) }()
	peaks, err := s.peaks(func() error {
		return s.sx("convert", video, "--force", "-o", filepath.Join(s.dir, "large.mp3"))
	}, s.Gateways[0].PID(), s.Converters[0].PID())
	if err != nil {
		return err
	}
	fmt.Printf("peak memory during upload and conversion of 2 GiB: gateway %d MiB, converter %d MiB (target: under 128 MiB each)\n",
		peaks[0].own>>20, peaks[1].own>>20)
	return nil
}
