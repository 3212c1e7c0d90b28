package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/cli/acceptance/programs"
	"github.com/soundextract/sx/server/audioonly"
)

// containers are those whose audio is sent alone, with the targets for the ratio of the
// bytes sent to those of the audio, and for the time to determine the size of 4 GB (0 is
// none).
var containers = []struct {
	extension string
	bytes     float64
	seconds   float64
}{
	{".mp4", 1.05, 0.2},
	{".mkv", 1.05, 2},
	{".ts", 1.15, 0},
}

// send measures how much is sent of a video of 4 Mbit/s, and how long it takes to
// determine that.
func (b *bench) send() error {
	video, err := b.video("hour.mp4", b.lengths.hour, picture4M, film)
	if err != nil {
		return err
	}
	for _, c := range containers {
		path := filepath.Join(b.dir, "remuxed"+c.extension)
		if err := timed(b.ffmpeg("-i", video, "-c", "copy", path)); err != nil {
			return err
		}
		sent, err := b.sent(path)
		if err != nil {
			return err
		}
		audio, err := b.audioBytes(path)
		if err != nil {
			return err
		}
		fmt.Printf("%s of video at 4 Mbit/s as %s: %.1f MB sent, %.1f MB of audio, ratio %.3f (target: at most %.2f)\n",
			b.lengths.hour, c.extension, float64(sent)/1e6, float64(audio)/1e6, float64(sent)/float64(audio), c.bytes)
		if err := errors.Join(os.Remove(path), b.idle()); err != nil {
			return err
		}
	}
	if err := os.Remove(video); err != nil {
		return err
	}
	for _, c := range containers {
		if c.seconds > 0 {
			if err := b.sizing(c.extension, c.seconds); err != nil {
				return err
			}
		}
	}
	return nil
}

// sent uploads a video and returns how many bytes were sent.
func (b *bench) sent(video string) (int64, error) {
	id, err := b.store(video)
	if err != nil {
		return 0, err
	}
	out, err := b.command("show", id, "--json").Output()
	if err != nil {
		return 0, fmt.Errorf("show the job: %w", err)
	}
	var job struct{ Sent struct{ Size int64 } }
	err = json.Unmarshal(out, &job)
	return job.Sent.Size, err
}

// audioBytes returns the sum of the sizes of a video's audio packets.
func (b *bench) audioBytes(video string) (int64, error) {
	out, err := exec.CommandContext(b.ctx, "ffprobe", "-v", "error", "-select_streams", "a",
		"-show_entries", "packet=size", "-of", "csv=p=0", video).Output()
	if err != nil {
		return 0, fmt.Errorf("list the packets: %w", err)
	}
	var sum int64
	for _, text := range strings.Fields(strings.ReplaceAll(string(out), ",", " ")) {
		size, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += size
	}
	return sum, nil
}

// sizing measures how long it takes to determine what is sent of a large video that is in
// the page cache as far as it is read.
func (b *bench) sizing(extension string, target float64) error {
	video, err := b.video("large"+extension, b.lengths.large, picture4M, film)
	if err != nil {
		return err
	}
	f, err := os.Open(video)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var shortest float64
	for range 1 + attempts {
		start := time.Now()
		if _, err := audioonly.Open(f, info.Size(), audioonly.Options{}); err != nil {
			return err
		}
		shortest = best(shortest, time.Since(start).Seconds())
	}
	fmt.Printf("size of what is sent of %.1f GB as %s: %.3f s (target for 4 GB: at most %.1f s)\n",
		float64(info.Size())/1e9, extension, shortest, target)
	return os.Remove(video)
}

// uplink compares sx convert over a slow uplink with curl, which only sends the whole
// file.
func (b *bench) uplink() error {
	const rate = 10e6 / 8
	video, err := b.video("uplink.mp4", b.lengths.uplink, picture4M, film)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(video) }()
	far, err := b.through(&link{rate: rate})
	if err != nil {
		return err
	}
	url, stop, err := b.startBare()
	if err != nil {
		return err
	}
	defer stop()
	l := &link{rate: rate}
	addr, err := l.open(b.ctx, strings.Trim(strings.TrimPrefix(url, "http://"), "/"))
	if err != nil {
		return err
	}
	out := filepath.Join(b.dir, "uplink.mp3")
	var sx float64
	for range attempts {
		t, err := clock(far.idle, func() error { return far.sx("convert", video, "--force", "-o", out) })
		if err != nil {
			return err
		}
		sx = best(sx, t)
	}
	curl, err := clock(b.idle, func() error {
		return timed(exec.CommandContext(b.ctx, "curl", "-sfT", video, "http://"+addr+"/"))
	})
	if err != nil {
		return err
	}
	fmt.Printf("%s of video, uplink of 10 Mbit/s: sx convert %.2f s, curl -T of the whole file %.1f s, 1/%.1f of it (target: at most 1/15)\n",
		b.lengths.uplink, sx, curl, curl/sx)
	return far.idle()
}

// outage measures what part of a poor link's capacity an upload uses.
func (b *bench) outage() error {
	const rate = 3e6 / 8
	video := filepath.Join(b.dir, "outage.mp4")
	if err := bigVideo(video, int64(rate*b.lengths.outage.Seconds())); err != nil {
		return err
	}
	defer func() { _ = os.Remove(video) }()
	for _, breaks := range []bool{false, true} {
		l := &link{
			rate: rate, delay: 80 * time.Millisecond, breaks: breaks,
			outages: outages{every: time.Minute, from: 20 * time.Second, length: 10 * time.Second},
		}
		far, err := b.through(l)
		if err != nil {
			return err
		}
		if err := far.idle(); err != nil {
			return err
		}
		start := time.Since(l.started)
		if err := far.sx("upload", "--whole-file", "--force", video); err != nil {
			return err
		}
		end := time.Since(l.started)
		up := end - start - (l.outages.total(end) - l.outages.total(start))
		info, err := os.Stat(video)
		if err != nil {
			return err
		}
		how := "survive"
		if breaks {
			how = "break"
		}
		fmt.Printf("upload of %.0f MB over 3 Mbit/s with a delay of 80 ms and an outage of 10 s each minute, connections %s: %.1f s, %.1f s of them up, %.3f of the capacity (target: at least 0.95)\n",
			float64(info.Size())/1e6, how, (end - start).Seconds(), up.Seconds(), float64(info.Size())/rate/up.Seconds())
		if err := far.idle(); err != nil {
			return err
		}
	}
	return nil
}

// through returns the same account, whose requests go through the link.
func (b *bench) through(l *link) (*bench, error) {
	server, err := programs.Find(b.data)
	if err != nil {
		return nil, err
	}
	addr, err := l.open(b.ctx, strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		return nil, err
	}
	return b.account("through-"+strings.ReplaceAll(addr, ":", "-"), "http://"+addr)
}
