package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// long measures the memory of sxd while it converts a long video, and how long a clip
// of another account takes meanwhile.
func (b *bench) long() error {
	pid, err := b.restart()
	if err != nil {
		return err
	}
	other, err := b.another("long")
	if err != nil {
		return err
	}
	long, err := b.video("long.mp4", b.lengths.long, pictureTiny, film)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(long) }()
	clip, err := b.video("clip.mp4", b.lengths.clip, picture4M, film)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(clip) }()
	convertClip := func() error {
		return other.sx("convert", clip, "--force", "-o", filepath.Join(other.dir, "clip.mp3"))
	}
	var alone, beside []float64
	for range attempts {
		t, err := clock(other.idle, convertClip)
		if err != nil {
			return err
		}
		alone = append(alone, t)
	}
	if err := errors.Join(b.idle(), other.idle()); err != nil {
		return err
	}
	id, err := b.store(long)
	if err != nil {
		return err
	}
	peaks, err := b.peaks(func() error {
		return b.whileRunning(id, func() error {
			for range attempts {
				t, err := clock(other.idle, convertClip)
				if err != nil {
					return err
				}
				beside = append(beside, t)
			}
			return nil
		})
	}, pid)
	if err != nil {
		return err
	}
	aloneBest, besideBest := slices.Min(alone), slices.Min(beside)
	fmt.Printf("%s of video while %s of another account are converted: %.2f s (at most %.2f s), alone %.2f s (target: at most %.2f s)\n",
		b.lengths.clip, b.lengths.long, besideBest, slices.Max(beside), aloneBest, 2*aloneBest+2)
	fmt.Printf("peak memory during the conversion of %s: sxd %d MiB, with its ffmpeg processes %d MiB (target: sxd at most 128 MiB above its idle memory)\n",
		b.lengths.long, peaks[0].own>>20, peaks[0].tree>>20)
	return errors.Join(b.idle(), other.idle())
}

// whileRunning waits for a job's first progress, calls fn, and waits for the job's end.
func (b *bench) whileRunning(id string, fn func() error) error {
	watch := b.command("watch", id)
	out, err := watch.StdoutPipe()
	if err != nil {
		return err
	}
	if err := watch.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	called, state := false, ""
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) < 3 {
			continue
		}
		if state = fields[1]; called || state != "running" || fields[2] == "0%" {
			continue
		}
		called = true
		if err := fn(); err != nil {
			return errors.Join(err, watch.Process.Kill(), watch.Wait())
		}
	}
	if err := errors.Join(lines.Err(), watch.Wait()); err != nil {
		return err
	}
	if !called || state != "done" {
		return fmt.Errorf("the conversion ended too early, as %s", state)
	}
	return nil
}
