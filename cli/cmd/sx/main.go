// Command sx uploads videos and downloads their sound as MP3.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/term"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal ends sx at once
	os.Exit(root.Main(ctx, os.Args[1:], term.System()))
}
