// Command sxd runs SoundExtract's server as a single process: auth, gateway, converter
// and notifier, with their data in a local directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/settings"
	"github.com/soundextract/sx/server/internal/space"
	"github.com/soundextract/sx/server/internal/standalone"
	"github.com/soundextract/sx/server/sx"
)

// envPrefix starts the names of the environment variables that set flags.
const envPrefix = "SXD"

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) > 1 && os.Args[1] == "backup" {
		return backup(context.Background(), os.Args[2:])
	}
	var cfg standalone.Config
	var gatewayFlags gateway.Flags
	reserve := settings.Bytes(space.LocalReserve)
	var converterFlags converter.Flags
	var notifyFlags notifier.Flags
	flags := pflag.NewFlagSet("sxd", pflag.ContinueOnError)
	flags.StringVar(&cfg.Addr, "addr", "127.0.0.1:8740", "`address` to listen on; port 0 selects a free port")
	flags.StringVar(&cfg.Data, "data", "soundextract-data", "data `directory`")
	converterFlags.Add(flags)
	gatewayFlags.Add(flags)
	flags.Var(&reserve, "reserve", "free space on the disk of --data that new uploads leave for conversions and other programs, such as 10GiB")
	notifyFlags.Add(flags)
	cfg.Registration = auth.RegistrationInvitation
	flags.Var(&cfg.Registration, "registration", "who may create an account besides the owner's: open (everyone), invitation (with a code) or closed (no one)")
	passwordFile := flags.String("owner-password-file", "", "`file` with a password for the owner's account, if that has none; - is standard input; needed if --addr is not a loopback address")
	level := flags.String("log-level", "info", "log `level`: debug, info, warn or error")
	format := flags.String("log-format", "json", "log `format`: json or text")

	err := settings.Parse(flags, envPrefix, os.Args[1:], os.Getenv, os.Stdout)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = settings.Remember(flags, filepath.Join(cfg.Data, api.LocalSettingsFile), api.LocalSettings()...)
	}
	if err == nil {
		cfg.OwnerPassword, err = ownerPassword(*passwordFile)
	}
	if err == nil {
		cfg.Load, err = converterFlags.Load(envPrefix)
	}
	if err == nil {
		cfg.FFmpegUser, err = converterFlags.User(envPrefix)
	}
	if err == nil {
		cfg.Gateway, err = gatewayFlags.Settings(envPrefix)
	}
	if err == nil {
		cfg.Notify, err = notifyFlags.Settings(envPrefix)
	}
	if err == nil {
		cfg.Log, err = httpserver.NewLogger(os.Stderr, *level, *format)
	}
	if err != nil {
		printError(err)
		return sx.ExitUsage
	}
	cfg.Reserve = int64(reserve)
	return httpserver.Main(context.Background(), cfg.Log, func(ctx context.Context) error { return standalone.Run(ctx, cfg) })
}

func printError(err error) {
	fmt.Fprintf(os.Stderr, "error: %v\nhint: %s\n", err, sx.AsError(err).Hint)
}

// ownerPassword reads the password in a file: its content without the newline at the
// end. It returns "" if path is "".
func ownerPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", settings.Invalid(envPrefix, "owner-password-file", "%v", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, api.MaxPassword+3))
	if err != nil {
		return "", settings.Invalid(envPrefix, "owner-password-file", "%v", err)
	}
	password := strings.TrimRight(string(raw), "\r\n")
	if password == "" {
		return "", settings.Invalid(envPrefix, "owner-password-file", "it is empty")
	}
	return password, nil
}
