// Command sxd is SoundExtract's server in one process: auth, gateway, converter
// and notifier on a folder of this machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/settings"
	"github.com/soundextract/sx/server/internal/standalone"
	"github.com/soundextract/sx/server/sx"
)

// envPrefix starts the names of the environment variables that set flags.
const envPrefix = "SXD"

func main() { os.Exit(run()) }

func run() int {
	var cfg standalone.Config
	var quota, maxUpload settings.Bytes
	var notifyFlags notifier.Flags
	flags := pflag.NewFlagSet("sxd", pflag.ContinueOnError)
	flags.StringVar(&cfg.Addr, "addr", "127.0.0.1:8740", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&cfg.Data, "data", "soundextract-data", "`folder` that keeps everything")
	flags.IntVar(&cfg.Conversions, "conversions", max(1, runtime.NumCPU()), "conversions at once")
	flags.Var(&quota, "quota", "what one account may keep, such as 50GiB; 0 is no limit")
	flags.Var(&maxUpload, "max-upload", "the largest file taken, such as 20GiB; 0 is no limit")
	notifyFlags.Add(flags)
	cfg.Registration = auth.RegistrationOpen
	flags.Var(&cfg.Registration, "registration", "who may register after the first one, who administers: open, invitation or closed")
	level := flags.String("log-level", "info", "debug, info, warn or error")
	format := flags.String("log-format", "json", "json or text")

	err := settings.Parse(flags, envPrefix, os.Args[1:], os.Getenv, os.Stdout)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err == nil && cfg.Conversions < 1 {
		err = sx.NewError(sx.CodeInvalid, "--conversions is %d", cfg.Conversions).WithHint("give 1 or more")
	}
	if err == nil {
		cfg.Notify, err = notifyFlags.Settings(envPrefix)
	}
	if err == nil {
		cfg.Log, err = httpserver.NewLogger(os.Stderr, *level, *format)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\nhint: %s\n", err, sx.AsError(err).Hint)
		return 64
	}
	cfg.Quota, cfg.MaxUpload = int64(quota), int64(maxUpload)
	return httpserver.Main(context.Background(), cfg.Log, func(ctx context.Context) error { return standalone.Run(ctx, cfg) })
}
