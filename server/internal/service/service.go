// Package service is the part of the programs that the four services share: settings,
// waiting for dependencies, readiness, draining, healthcheck.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/certs"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/memory"
	"github.com/soundextract/sx/server/internal/settings"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// EnvPrefix starts the names of the environment variables that set flags.
const EnvPrefix = "SX"

// Program is the program of a service.
type Program struct {
	// Flags are the program's settings. New adds those that all programs have; the
	// main function adds its own before it calls Main.
	Flags *pflag.FlagSet
	// Check validates the settings once they are parsed, before anything is started. It
	// returns Invalid(…) for an invalid one. It may be nil.
	Check func() error
	// Ready are further readiness checks, besides those of the store and the bus, by
	// name. Check may add to it.
	Ready map[string]func(ctx context.Context) error
	// MaxPerAddress is httpserver.Server's. Check may set it.
	MaxPerAddress int
	// DrainTimeout is httpserver.Server's; 0 means 30 s.
	DrainTimeout time.Duration
	// Public says that users can reach --addr. With --metrics-addr, it then does not serve
	// readiness. The other parts request the readiness of services that are not public.
	Public bool

	stdout, stderr io.Writer
	addr           string
	metricsAddr    string // "" is addr
	level, format  string
	secrets        []*secret
	mongo, amqp    address // amqp is empty without WithBus
	mongoDatabase  string
	certificates   struct{ cert, key, ca string }
	tls            *certs.Files
	log            *slog.Logger
}

// Dependencies are passed to a service when it starts. Bus and Updater are nil
// in a program without WithBus.
type Dependencies struct {
	Store    store.Store
	Bus      bus.Bus
	Updater  *jobs.Updater
	Registry *prometheus.Registry
	Log      *slog.Logger
}

// Service is a started service.
type Service struct {
	Handler http.Handler // nil if the service has no API
	// Run works until ctx ends; then it stops and returns nil.
	Run func(ctx context.Context) error
}

// Start creates the service. ctx bounds only Start.
type Start func(ctx context.Context, deps Dependencies) (Service, error)

// New returns a program that stores its data in MongoDB. addr is the default of the
// address to listen on.
func New(name, addr string, stdout, stderr io.Writer) *Program {
	p := &Program{
		Flags:  pflag.NewFlagSet(name, pflag.ContinueOnError),
		Ready:  map[string]func(context.Context) error{},
		stdout: stdout, stderr: stderr,
	}
	p.Flags.StringVar(&p.addr, "addr", addr, "`address` to listen on; port 0 selects a free port")
	p.Flags.StringVar(&p.metricsAddr, "metrics-addr", "", "`address` on which to serve metrics and readiness, where users cannot reach them; without it, they are on --addr")
	p.Flags.StringVar(&p.certificates.cert, "tls-cert", "", "`file` with the certificate to serve HTTPS with; it is read again when it changes")
	p.Flags.StringVar(&p.certificates.key, "tls-key", "", "`file` with the key of --tls-cert")
	p.Flags.StringVar(&p.certificates.ca, "tls-ca", "", "`file` with the certificate authorities of the other parts; \"\" means those of the system")
	p.mongo = p.addAddress("mongodb", "MongoDB", "mongodb://user:password@host:27017/?authSource=admin")
	p.Flags.StringVar(&p.mongoDatabase, "mongodb-database", "soundextract", "`name` of the database")
	return p
}

// WithBus adds RabbitMQ to the dependencies.
func (p *Program) WithBus() *Program {
	p.amqp = p.addAddress("amqp", "RabbitMQ", "amqp://user:password@host:5672/")
	return p
}

// Main runs the program until SIGINT or SIGTERM and returns its exit code. It calls
// start once all dependencies are connected. With the argument healthcheck it checks
// that the program that runs with the same settings is alive, for containers without a
// shell.
func (p *Program) Main(ctx context.Context, args []string, start Start) int {
	p.Flags.StringVar(&p.level, "log-level", "info", "log `level`: debug, info, warn or error")
	p.Flags.StringVar(&p.format, "log-format", "json", "log `format`: json or text")
	healthcheck := len(args) > 0 && args[0] == "healthcheck"
	if healthcheck {
		args = args[1:]
	}
	err := settings.Parse(p.Flags, EnvPrefix, args, os.Getenv, p.stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, _ = fmt.Fprintf(p.stdout, "\n%s healthcheck [flags] checks that the running program is alive.\n", p.Flags.Name())
		return 0
	case err == nil && healthcheck:
		return p.healthcheck(ctx)
	case err == nil:
		memory.SetForGo(memory.Limit() / 10 * 9)
		err = p.check()
	}
	if err != nil {
		p.printError(err)
		return sx.ExitUsage
	}
	// After a second signal httpserver.Main does not wait for run, so err must only be
	// read if run has returned, which is the case with this code.
	code := httpserver.Main(ctx, p.log, func(ctx context.Context) error {
		err = p.run(ctx, start)
		return err
	})
	switch {
	case code != sx.ExitFailure:
	case sx.CodeOf(err) == sx.CodeInvalid:
		return sx.ExitUsage
	case sx.CodeOf(err) == sx.CodeProblems:
		return sx.ExitProblems
	}
	return code
}

func (p *Program) printError(err error) {
	_, _ = fmt.Fprintf(p.stderr, "error: %v\nhint: %s\n", err, sx.AsError(err).Hint)
}

// check validates the settings.
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
	for _, a := range []address{p.mongo, p.amqp} {
		if err := a.check(); err != nil {
			return err
		}
	}
	if err := p.openCertificates(); err != nil {
		return err
	}
	if p.Check != nil {
		return p.Check()
	}
	return nil
}

func (p *Program) openCertificates() error {
	var err error
	p.tls, err = certs.Open(p.certificates.cert, p.certificates.key, p.certificates.ca)
	if err != nil {
		return sx.NewError(sx.CodeInvalid, "the TLS files cannot be used: %v", err).
			WithHint("check --tls-cert, --tls-key and --tls-ca").WithCause(err)
	}
	return nil
}

// Invalid returns the error of a setting with an invalid value.
func Invalid(setting, reason string, args ...any) *sx.Error {
	return settings.Invalid(EnvPrefix, setting, reason, args...)
}
