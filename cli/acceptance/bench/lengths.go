package main

import "time"

// lengths are those of the videos.
type lengths struct {
	hour     time.Duration // compared with one ffmpeg
	together time.Duration // of two that are converted at the same time
	clip     time.Duration // converted while the long one is
	long     time.Duration
	large    time.Duration // of about 4 GB
	uplink   time.Duration // sent over a slow uplink
	outage   time.Duration // that a link is busy, without its outages
}

// sizes are the lengths by the name of the size. The targets are for the full one.
var sizes = map[string]lengths{
	"full":  {hour: time.Hour, together: 30 * time.Minute, clip: time.Minute, long: 10 * time.Hour, large: 135 * time.Minute, uplink: 5 * time.Minute, outage: 100 * time.Second},
	"short": {hour: 4 * time.Minute, together: 2 * time.Minute, clip: 20 * time.Second, long: 20 * time.Minute, large: 8 * time.Minute, uplink: 30 * time.Second, outage: 30 * time.Second},
}
