// Command sxd runs SoundExtract's server as a single process: auth, gateway, converter
// and notifier, with their data in a local directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/converter"
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
	var converterFlags converter.Flags
	var notifyFlags notifier.Flags
	flags := pflag.NewFlagSet("sxd", pflag.ContinueOnError)
	flags.StringVar(&cfg.Addr, "addr", "127.0.0.1:8740", "`address` to listen on; port 0 selects a free port")
	flags.StringVar(&cfg.Data, "data", "soundextract-data", "data `directory`")
	converterFlags.Add(flags)
	flags.Var(&quota, "quota", "storage quota of an account, such as 50GiB; 0 means no limit")
	flags.Var(&maxUpload, "max-upload", "maximum size of a video, such as 20GiB; 0 means no limit")
	notifyFlags.Add(flags)
	cfg.Registration = auth.RegistrationOpen
	flags.Var(&cfg.Registration, "registration", "who may create an account after the first, the administrator: open (everyone), invitation (with a code) or closed (no one)")
	level := flags.String("log-level", "info", "log `level`: debug, info, warn or error")
	format := flags.String("log-format", "json", "log `format`: json or text")

	err := settings.Parse(flags, envPrefix, os.Args[1:], os.Getenv, os.Stdout)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err == nil {
		cfg.Load, err = converterFlags.Load(envPrefix)
	}
	if err == nil {
		cfg.Notify, err = notifyFlags.Settings(envPrefix)
	}
	if err == nil {
		cfg.Log, err = httpserver.NewLogger(os.Stderr, *level, *format)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\nhint: %s\n", err, sx.AsError(err).Hint)
		return sx.ExitUsage
	}
	cfg.Quota, cfg.MaxUpload = int64(quota), int64(maxUpload)
	return httpserver.Main(context.Background(), cfg.Log, func(ctx context.Context) error { return standalone.Run(ctx, cfg) })
}
