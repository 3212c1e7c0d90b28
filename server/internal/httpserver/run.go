// Package httpserver contains what every server program needs around a service:
// signals, a group of goroutines, an HTTP server that drains, request IDs in
// responses and logs, metrics and health.
package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/soundextract/sx/server/sx"
)

// Group is a set of functions that run concurrently, each until its ctx ends.
type Group []func(ctx context.Context) error

// Run runs all functions and returns when all have returned. The first error
// cancels the others and is returned; a function that returns nil does not
// affect the others. Once ctx has ended, a function may return its error
// instead of nil.
func (g Group) Run(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for _, run := range g {
		group.Go(func() error {
			err := run(groupCtx)
			if groupCtx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// Main runs a program and returns its exit code: 0, or 1 after an error, which it
// logs. SIGINT or SIGTERM cancels run's ctx, and Main waits for run to return.
// After a second signal Main returns immediately, with the exit code that
// shells report for that signal (130 or 143), so that an operator can always
// stop the program.
func Main(ctx context.Context, log *slog.Logger, run func(ctx context.Context) error) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	runCtx, cancel := context.WithCancel(ctx)
	defer cancel()

	done := make(chan error, 1)
	go func() { done <- run(runCtx) }()
	stopping := false
	for {
		select {
		case err := <-done:
			return exitCode(ctx, log, err, stopping)
		case s := <-signals:
			if stopping {
				log.WarnContext(ctx, "second signal; exiting without cleanup", "signal", s.String())
				return signalCode(s)
			}
			stopping = true
			log.InfoContext(ctx, "stopping; a second signal exits immediately", "signal", s.String())
			cancel()
		}
	}
}

func exitCode(ctx context.Context, log *slog.Logger, err error, stopping bool) int {
	if err == nil || (stopping && errors.Is(err, context.Canceled)) {
		return 0
	}
	attrs := []slog.Attr{slog.String("error", Cause(err))}
	var known *sx.Error
	if errors.As(err, &known) {
		attrs = append(attrs, slog.String("code", string(known.Code)), slog.String("hint", known.Hint))
	}
	log.LogAttrs(ctx, slog.LevelError, "exiting after an error", attrs...)
	return 1
}

// signalCode is 128 plus the signal's number, as in a shell.
func signalCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}
