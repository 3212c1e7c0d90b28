// Command sx uploads videos and brings back their sound as MP3.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/cli/internal/sxcmd"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal ends sx at once
	os.Exit(sxcmd.Main(ctx, os.Args[1:], iostreams.System()))
}
