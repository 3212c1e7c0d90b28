package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/cli/acceptance/programs"
)

// memory compares the resident memory of an idle sxd with its peak during 50
// concurrent uploads. It restarts sxd first, so that earlier work does not count.
func (b *bench) memory() error {
	const uploads, size = 50, 32 << 20
	if err := b.sx("down", "--data", b.data); err != nil {
		return err
	}
	if err := b.sx("up", "--detach", "--addr", "127.0.0.1:0", "--data", b.data); err != nil {
		return err
	}
	server, err := programs.Find(b.data)
	if err != nil {
		return err
	}
	args := []string{"upload", "--parallel", strconv.Itoa(uploads)}
	for i := range uploads {
		video := filepath.Join(b.dir, fmt.Sprintf("m%02d.mp4", i))
		if err := bigVideo(video, size); err != nil {
			return err
		}
		args = append(args, video)
	}
	idle, err := rss(b, server.PID)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- b.sx(args...) }()
	peak := idle
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			now, err := rss(b, server.PID)
			if err != nil {
				return err
			}
			peak = max(peak, now)
		case err := <-done:
			fmt.Printf("memory of sxd: %d MiB idle, %d MiB peak during %d concurrent uploads, %d MiB more (target: at most 64 MiB more)\n",
				idle>>20, peak>>20, uploads, (peak-idle)>>20)
			for _, video := range args[3:] {
				err = errors.Join(err, os.Remove(video))
			}
			return err
		}
	}
}

// rss returns the resident memory of a process in bytes.
func rss(b *bench, pid int) (int64, error) {
	out, err := exec.CommandContext(b.ctx, "ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("get the memory of process %d: %w", pid, err)
	}
	kib, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return kib << 10, err
}
