package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/settings"
	"github.com/soundextract/sx/server/internal/standalone"
	"github.com/soundextract/sx/server/sx"
)

// backup runs sxd backup create and sxd backup restore, which sx starts for a server that
// is not running. They write the backup to standard output and read it from standard input,
// not encrypted.
func backup(ctx context.Context, args []string) int {
	flags := pflag.NewFlagSet("sxd backup", pflag.ContinueOnError)
	data := flags.String("data", "soundextract-data", "data `directory`")
	err := sx.NewError(sx.CodeInvalid, "sxd backup needs create or restore as its first argument").WithHint("see the commands for backups of the command line program")
	if len(args) == 0 || args[0] != "create" && args[0] != "restore" {
		printError(err)
		return sx.ExitUsage
	}
	switch err := settings.Parse(flags, envPrefix, args[1:], os.Getenv, os.Stdout); {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		printError(err)
		return sx.ExitUsage
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runBackup(ctx, args[0], *data); err != nil {
		printError(err)
		return sx.CodeOf(err).ExitCode()
	}
	return 0
}

func runBackup(ctx context.Context, verb, data string) error {
	log, err := httpserver.NewLogger(os.Stderr, "warn", "text")
	if err != nil {
		return err
	}
	if verb == "create" {
		_, err := standalone.CreateBackup(ctx, data, os.Stdout, log)
		return err
	}
	restored, err := standalone.RestoreBackup(ctx, data, os.Stdin, log)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(restored)
}
