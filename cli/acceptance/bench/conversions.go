package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// conversion is the last attempt of a job.
type conversion struct {
	started, done time.Time // when it was claimed and recorded
}

func (c conversion) seconds() float64 { return c.done.Sub(c.started).Seconds() }

// conversions returns the conversions in a converter's log by their jobs.
func conversions(log string) (map[string]conversion, error) {
	f, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	found := map[string]conversion{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var entry struct {
			Time     time.Time
			Msg, Job string
		}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			continue // not a log record
		}
		c := found[entry.Job]
		switch entry.Msg {
		case "conversion started":
			c = conversion{started: entry.Time}
		case "conversion done":
			c.done = entry.Time
		default:
			continue
		}
		found[entry.Job] = c
	}
	return found, lines.Err()
}

// convert uploads a video, waits for the end of its conversion and returns it. It calls
// stored, if not nil, between the two.
func (b *bench) convert(video string, options []string, stored func() error) (conversion, error) {
	id, err := b.store(video, options...)
	if err != nil {
		return conversion{}, err
	}
	if stored != nil {
		if err := stored(); err != nil {
			return conversion{}, err
		}
	}
	if err := b.sx("watch", id); err != nil {
		return conversion{}, err
	}
	all, err := conversions(filepath.Join(b.data, "sxd.log"))
	return all[id], err
}

// store uploads a video and returns the ID of its job.
func (b *bench) store(video string, options ...string) (string, error) {
	out, err := b.command(append([]string{"upload", "--force", video}, options...)...).Output()
	if err != nil {
		return "", err
	}
	id, _, _ := strings.Cut(string(out), "\t")
	return id, nil
}
