// Package service is what the four services have in common as programs of their
// own: their settings, waiting for the parts they need, health, draining.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/settings"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// EnvPrefix begins the variables of all settings.
const EnvPrefix = "SX"

// Exit codes, of the table that sx help exit-codes shows.
const (
	exitError = 1
	exitUsage = 64 // a setting is wrong
)

// Program is one of the programs before it runs: its settings.
type Program struct {
	// Flags are the program's settings. Those that all have in common are there
	// already; a main adds its own before Main.
	Flags *pflag.FlagSet
	// Check is called once the settings are read, before anything is started.
	// It returns Invalid(…) for a setting that is wrong. It may be nil.
	Check func() error
	// Ready holds what has to be well, besides the store and the bus, for the
	// program to be ready, by its name. It may be filled by Check.
	Ready map[string]func(ctx context.Context) error

	stdout, stderr io.Writer
	addr           string
	level, format  string
	secrets        []*secret
	mongo, amqp    *secret // amqp is nil without WithBus
	mongoDatabase  string
	log            *slog.Logger
	owned          *os.File // the folder of Own
}

// Parts are what services are made of, connected. Bus and Updater are nil in a
// program without WithBus.
type Parts struct {
	Store    store.Store
	Bus      bus.Bus
	Updater  *jobs.Updater
	Registry *prometheus.Registry
	Log      *slog.Logger
}

// Service is what a program runs when its parts are there.
type Service struct {
	Handler http.Handler // nil for one that answers nobody but probes
	// Run works until ctx ends; then it ends what is under way and returns nil.
	Run func(ctx context.Context) error
}

// Start makes the service of its parts. ctx bounds Start only.
type Start func(ctx context.Context, parts Parts) (Service, error)

// New makes a program that keeps its data in MongoDB. addr is where it listens
// unless it is told otherwise.
func New(name, addr string, stdout, stderr io.Writer) *Program {
	p := &Program{
		Flags:  pflag.NewFlagSet(name, pflag.ContinueOnError),
		Ready:  map[string]func(context.Context) error{},
		stdout: stdout, stderr: stderr,
	}
	p.Flags.StringVar(&p.addr, "addr", addr, "`address` to listen on; port 0 takes a free one")
	p.mongo = p.addSecret("mongodb-uri", "`URI` of MongoDB", "mongodb://user:password@host:27017/?authSource=admin")
	p.Flags.StringVar(&p.mongoDatabase, "mongodb-database", "soundextract", "`name` of the database that keeps everything")
	return p
}

// WithBus adds RabbitMQ to what the program needs.
func (p *Program) WithBus() *Program {
	p.amqp = p.addSecret("amqp-uri", "`URI` of RabbitMQ", "amqp://user:password@host:5672/")
	return p
}

// Main runs the program until SIGINT or SIGTERM and gives its exit code. start
// makes the service of its parts; it is called once they are all there. The
// argument healthcheck asks the program that runs with the same settings
// whether it lives, for containers without a shell.
func (p *Program) Main(ctx context.Context, args []string, start Start) int {
	p.Flags.StringVar(&p.level, "log-level", "info", "debug, info, warn or error")
	p.Flags.StringVar(&p.format, "log-format", "json", "json or text")
	probe := len(args) > 0 && args[0] == "healthcheck"
	if probe {
		args = args[1:]
	}
	err := settings.Parse(p.Flags, EnvPrefix, args, os.Getenv, p.stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, _ = fmt.Fprintf(p.stdout, "\nWith the argument healthcheck, %s asks the one that runs whether it lives.\n", p.Flags.Name())
		return 0
	case err == nil && probe:
		return p.probe(ctx)
	case err == nil:
		err = p.check()
	}
	if err != nil {
		p.complain(err)
		return exitUsage
	}
	// Main does not wait for run after a second signal, and err is not to be read then.
	code := httpserver.Main(ctx, p.log, func(ctx context.Context) error {
		err = p.run(ctx, start)
		return err
	})
	if code == exitError && sx.CodeOf(err) == sx.CodeInvalid {
		return exitUsage
	}
	return code
}

func (p *Program) complain(err error) {
	_, _ = fmt.Fprintf(p.stderr, "error: %v\nhint: %s\n", err, sx.AsError(err).Hint)
}

// check finds what is wrong with the settings before anything is started.
func (p *Program) check() error {
	var err error
	if p.log, err = httpserver.NewLogger(p.stderr, p.level, "json"); err != nil {
		return Invalid("log-level", "%v", err).WithHint("%s", sx.AsError(err).Hint)
	}
	if p.log, err = httpserver.NewLogger(p.stderr, p.level, p.format); err != nil {
		return Invalid("log-format", "%v", err).WithHint("%s", sx.AsError(err).Hint)
	}
	for _, secret := range p.secrets {
		if err := secret.read(); err != nil {
			return err
		}
	}
	if p.Check != nil {
		return p.Check()
	}
	return nil
}

// Invalid is the error of a setting that is wrong: why says what is wrong with it.
func Invalid(setting, why string, args ...any) *sx.Error {
	return settings.Invalid(EnvPrefix, setting, why, args...)
}
