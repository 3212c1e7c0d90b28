package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/testkit/stack"
)

// services runs the four services on RabbitMQ and MongoDB, with a user who is signed
// in.
type services struct {
	*bench
	*stack.Stack
}

// services measures the four services as separate processes.
func (b *bench) services() (err error) {
	home := filepath.Join(b.dir, "services")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	s := &services{bench: &bench{ctx: b.ctx, dir: home, bin: b.bin}}
	if err := stack.Build(b.ctx, b.bin.Dir); err != nil {
		return err
	}
	if s.Stack, err = stack.Run(b.ctx, stack.Config{Bin: b.bin.Dir, Dir: filepath.Join(home, "stack")}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	s.env = []string{"SX_SERVER=" + s.Gateways[0].URL()}
	build := exec.CommandContext(b.ctx, "go", "build", "-o", b.bin.Path("gridfs"),
		"github.com/soundextract/sx/server/testkit/gridfs")
	if err := errors.Join(timed(build), s.register("bench")); err != nil {
		return err
	}
	for _, step := range []func() error{s.uploads, s.starts, s.large} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *services) gridfs(database string, args ...string) *exec.Cmd {
	return exec.CommandContext(s.ctx, s.bin.Path("gridfs"), append([]string{s.MongoDB.URI, database}, args...)...)
}

// uploads uploads a file with sx upload, and with the driver directly to MongoDB.
func (s *services) uploads() error {
	const size, direct = 128 << 20, "bench-direct"
	video := filepath.Join(s.dir, "big.mp4")
	if err := bigVideo(video, size); err != nil {
		return err
	}
	idle := func() error { return errors.Join(timed(s.gridfs(direct, "drop")), s.idle()) }
	sx, driver, err := compare(idle,
		func() error { return s.sx("upload", "--force", video) },
		func() error { return timed(s.gridfs(direct, "write", video)) },
	)
	if err != nil {
		return err
	}
	fmt.Printf("upload of 128 MiB to the services: sx upload %.2f s, the MongoDB driver alone %.2f s, ratio %.2f\n", sx, driver, sx/driver)
	return errors.Join(idle(), os.Remove(video))
}

// starts measures the time from the last stored byte of a video to the start of its
// conversion.
func (s *services) starts() error {
	const videos = 20
	video := filepath.Join(s.dir, "talk.mp4")
	if err := timed(s.ffmpeg("-f", "lavfi", "-i", "sine=duration=5", video)); err != nil {
		return err
	}
	for range videos {
		if err := s.sx("convert", video, "--force", "-o", filepath.Join(s.dir, "out.mp3")); err != nil {
			return err
		}
	}
	started, err := conversions(s.Converters[0].Log())
	if err != nil {
		return err
	}
	out, err := s.gridfs(s.Database.Name(), "stored").Output()
	if err != nil {
		return fmt.Errorf("get the times when the videos were stored: %w", err)
	}
	var waits []float64
	for line := range strings.Lines(string(out)) {
		id, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		stored, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return err
		}
		if at, ok := started[id]; ok {
			waits = append(waits, float64(at.started.Sub(stored))/float64(time.Millisecond))
		}
	}
	if len(waits) != videos {
		return fmt.Errorf("%d conversions started, want %d", len(waits), videos)
	}
	fmt.Printf("from the last stored byte to the start of the conversion: median %.0f ms, maximum %.0f ms over %d videos (target: under 100 ms)\n",
		median(waits), slices.Max(waits), videos)
	return s.idle()
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
