package ffmpeg

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// hasPictureDuring reports whether the video has pictures during a gap in the audio, given
// by two times from the origin. If not, the gap is not a pause: the clock was set.
func (d *decoder) hasPictureDuring(ctx context.Context, from, to time.Duration) (bool, error) {
	if d.relative {
		return false, nil
	}
	// A few packets at three places, which also works for a file of many gigabytes.
	const places = 3
	var intervals []string
	for i := range places {
		at := d.origin + from + (to-from)*time.Duration(2*i+1)/(2*places)
		intervals = append(intervals, fmt.Sprintf("%.3f%%+#20", at.Seconds()))
	}
	args := append(d.probeArgs(), "-read_intervals", strings.Join(intervals, ","),
		"-show_entries", "packet=stream_index,pts_time", "-of", "csv=p=0", d.url())
	out := &cappedBuffer{left: maxReport}
	_, err := d.execute(ctx, command{
		phase: "look into a gap", program: d.cfg.FFprobe, args: args, stdout: out, cpu: d.cfg.MaxProbe, maxFile: probeFile, busy: d.in.busy,
	})
	if err != nil && !isFailure(err) {
		return false, err
	}
	seen := map[int]bool{} // the parts of the gap with a picture
	for line := range bytes.Lines(out.content.Bytes()) {
		index, pts, _ := strings.Cut(strings.TrimRight(string(line), ",\r\n"), ",")
		pts, _, _ = strings.Cut(pts, ",")
		stream, err1 := strconv.Atoi(index)
		s, err2 := strconv.ParseFloat(pts, 64)
		if err1 != nil || err2 != nil || !d.found.isPicture(stream) {
			continue
		}
		share := (s - (d.origin + from).Seconds()) / (to - from).Seconds()
		if share > 0 && share < 1 {
			seen[int(share*places)] = true
		}
	}
	return len(seen) >= 2, nil
}

// isPicture reports whether the stream with the given number is moving pictures.
func (r *report) isPicture(index int) bool {
	for _, s := range r.Streams {
		if s.Index == index {
			return s.Type == "video" && s.Is.Cover == 0
		}
	}
	return false
}
