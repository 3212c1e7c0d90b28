// Package erasure runs a service's steps of the deletions of accounts; see sx.Erasure.
package erasure

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Step is a step of all erasures.
type Step struct {
	Step     sx.ErasureStep
	Erasures store.Erasures
	Tasks    store.Tasks
	Log      *slog.Logger
	Now      func() time.Time
	// Erase deletes a bounded part of what the step has to delete, and reports whether
	// nothing is left. It is repeated after a crash or an error. It may change or delete
	// the erasure itself, as its last action.
	Erase func(ctx context.Context, e sx.Erasure) (done bool, err error)
}

const (
	// pace is the pause between two rounds while there is something to erase, pass that
	// between two checks for it.
	pace = 5 * time.Second
	pass = 30 * time.Second
	// turns erasures are continued in a round, each for at most turn, which together is
	// less than a round may take.
	turns = 4
	turn  = 10 * time.Second
	// RetryDelay is how long after a failure a step is tried again.
	RetryDelay = time.Minute
)

// Task returns the task that runs the step.
func (s Step) Task() *periodic.Task {
	return &periodic.Task{
		Name: "erase " + string(s.Step), Store: s.Tasks, Log: s.Log, Now: s.Now,
		Pace: pace, Pass: pass, Round: s.round,
	}
}

func (s Step) round(ctx context.Context, _ string) (string, error) {
	due, err := s.Erasures.Due(ctx, s.Step, s.Now(), turns)
	if err != nil {
		return "", err
	}
	for _, e := range due {
		if err := s.run(ctx, e); err != nil {
			return "", err
		}
	}
	if len(due) > 0 {
		return "more", nil // not read: each round begins with what has been due the longest
	}
	return "", nil
}

// run continues one erasure. Those that are not finished take turns, by the time at which
// they are due.
func (s Step) run(ctx context.Context, e sx.Erasure) error {
	bounded, cancel := context.WithTimeout(ctx, turn)
	defer cancel()
	done, err := s.eraseFor(bounded, e)
	switch now := s.Now(); {
	case ctx.Err() != nil:
		return ctx.Err() // it stays due
	case done && err == nil:
		e.Advance(now)
	case bounded.Err() != nil: // there is more than fits into a turn
		s.Log.InfoContext(ctx, "erasing an account continues in the next round", "account", e.UserID, "step", string(e.Step))
		e.Due = now
	default:
		s.Log.WarnContext(ctx, "erasing an account failed; retrying", "account", e.UserID, "step", string(e.Step), "error", err)
		e.Due = now.Add(RetryDelay)
	}
	return unlessMoved(s.Erasures.Replace(ctx, e))
}

// eraseFor erases until nothing is left or ctx ends. It pauses after each part for as long
// as that took, so that deletion takes at most half of the store's time.
func (s Step) eraseFor(ctx context.Context, e sx.Erasure) (done bool, err error) {
	for {
		began := time.Now()
		if done, err = s.Erase(ctx, e); done || err != nil {
			return done, err
		}
		if err := backoff.Sleep(ctx, time.Since(began)); err != nil {
			return false, err
		}
	}
}

// unlessMoved returns nil for the error of a Replace if the erasure was changed or has ended
// meanwhile.
func unlessMoved(err error) error {
	if errors.Is(err, store.ErrStale) || sx.CodeOf(err) == sx.CodeNotFound {
		return nil
	}
	return err
}
