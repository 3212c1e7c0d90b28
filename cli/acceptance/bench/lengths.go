package main

import "time"

// lengths are those of the videos.
type lengths struct {
	hour     time.Duration // compared with one ffmpeg
	together time.Duration // of two that are converted at the same time
	clip     time.Duration // converted while the long one is
	long     time.Duration
}

// sizes are the lengths by the name of the size. The targets are for the full one.
var sizes = map[string]lengths{
	"full":  {hour: time.Hour, together: 30 * time.Minute, clip: time.Minute, long: 10 * time.Hour},
	"short": {hour: 4 * time.Minute, together: 2 * time.Minute, clip: 20 * time.Second, long: 20 * time.Minute},
}
