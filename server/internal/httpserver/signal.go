package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/soundextract/sx/server/sx"
)

// Main runs a program and gives its exit code: 0, or 1 after an error, which
// is logged. SIGINT or SIGTERM cancels run's ctx, and Main waits for run to
// return; a second one makes Main return at once with 130 or 143, as a shell
// reports death by that signal, so that an operator is never stuck. The caller
// exits with the code.
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
				log.WarnContext(ctx, "second signal, ending without cleaning up", "signal", s.String())
				return signalCode(s)
			}
			stopping = true
			log.InfoContext(ctx, "stopping, a second signal ends at once", "signal", s.String())
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
		attrs = append(attrs, slog.String("hint", known.Hint))
	}
	log.LogAttrs(ctx, slog.LevelError, "ended by an error", attrs...)
	return 1
}

// signalCode is 128 and the signal's number.
func signalCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}
