package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// memory compares the resident memory of an idle sxd with its peak during 50
// concurrent uploads. It restarts sxd first, so that earlier work does not count.
func (b *bench) memory() error {
	const uploads, size = 50, 32 << 20
	pid, err := b.restart()
	if err != nil {
		return err
	}
	args := []string{"upload", "--parallel", strconv.Itoa(uploads), "--force"}
	for i := range uploads {
		video := filepath.Join(b.dir, fmt.Sprintf("m%02d.mp4", i))
		if err := bigVideo(video, size); err != nil {
			return err
		}
		args = append(args, video)
	}
	idle, err := b.resident(pid)
	if err != nil {
		return err
	}
	peaks, err := b.peaks(func() error { return b.sx(args...) }, pid)
	for _, video := range args[4:] {
		err = errors.Join(err, os.Remove(video))
	}
	if err != nil {
		return err
	}
	peak := peaks[0].own
	fmt.Printf("memory of sxd: %d MiB idle, %d MiB peak during %d concurrent uploads, %d MiB more (target: at most 64 MiB more)\n",
		idle.own>>20, peak>>20, uploads, (peak-idle.own)>>20)
	return b.idle()
}
