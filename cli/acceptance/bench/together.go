package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// together compares two conversions of two accounts at the same time with one after the
// other.
func (b *bench) together() error {
	video, err := b.video("together.mp4", b.lengths.together, pictureTiny, film)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(video) }()
	other, err := b.another("together")
	if err != nil {
		return err
	}
	accounts := []*bench{b, other}
	var atOnce, inTurn float64
	for range attempts {
		if err := errors.Join(b.idle(), other.idle()); err != nil {
			return err
		}
		sum := 0.0
		for _, account := range accounts {
			c, err := account.convert(video, nil, nil)
			if err != nil {
				return err
			}
			sum += c.seconds()
		}
		inTurn = best(inTurn, sum)

		both, err := convertAtOnce(accounts, video)
		if err != nil {
			return err
		}
		atOnce = best(atOnce, both)
	}
	fmt.Printf("two videos of %s: converted at once %.1f s, one after the other %.1f s, ratio %.2f (target: at most 1.05)\n",
		b.lengths.together, atOnce, inTurn, atOnce/inTurn)
	return errors.Join(b.idle(), other.idle())
}

// convertAtOnce converts a video of each account and returns the time from the first
// claim to the last end in seconds.
func convertAtOnce(accounts []*bench, video string) (float64, error) {
	type result struct {
		conversion
		err error
	}
	results := make(chan result)
	for _, account := range accounts {
		go func() {
			c, err := account.convert(video, nil, nil)
			results <- result{c, err}
		}()
	}
	var first, last time.Time
	var failed error
	for range accounts {
		r := <-results
		failed = errors.Join(failed, r.err)
		if first.IsZero() || r.started.Before(first) {
			first = r.started
		}
		if r.done.After(last) {
			last = r.done
		}
	}
	return last.Sub(first).Seconds(), failed
}
