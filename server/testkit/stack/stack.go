// Package stack runs all services on this machine as in production: its own
// RabbitMQ, the available MongoDB (see package mongodb) and the four services
// as programs. It stops what it started and nothing else; everything exits with
// the process that started it, even if that is killed.
package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
	"github.com/soundextract/sx/server/testkit/rabbitmq"
)

// readyLimit bounds the wait for the programs to be ready.
const readyLimit = time.Minute

// Config selects what to run.
type Config struct {
	Bin        string // directory of the programs, see Build
	Dir        string // directory for keys, logs and temporary files; Start uses one of the test for ""
	Addr       string // host:port of the first gateway; "" selects a free port
	Gateways   int    // 0 means 1
	Converters int    // 0 means 1
	// GatewayFlags are passed to each gateway.
	GatewayFlags []string
	// MongoDB is nil for the available one; a test that kills MongoDB passes
	// its own.
	MongoDB *mongodb.Server
}

// Stack is a running stack.
type Stack struct {
	Broker   *rabbitmq.Broker
	MongoDB  *mongodb.Server
	Database *mongo.Database // the stack's own, through a client that the services do not share

	Auth       *Process
	Gateways   []*Process
	Converters []*Process
	Notifier   *Process

	cfg   Config
	close []func() error // in the order of their start
}

// Build builds the four services, and the programs in packages, into dir.
func Build(ctx context.Context, dir string, others ...string) error {
	var packages []string
	for _, name := range sx.Services() {
		packages = append(packages, "github.com/soundextract/sx/server/cmd/"+name)
	}
	return testkit.Build(ctx, dir, append(packages, others...)...)
}

// Start runs the stack until the end of the test and returns when all its
// programs are ready.
func Start(tb testing.TB, cfg Config) *Stack {
	tb.Helper()
	testkit.SkipShort(tb)
	if cfg.Dir == "" {
		cfg.Dir = tb.TempDir()
	}
	s, err := Run(context.WithoutCancel(tb.Context()), cfg)
	if errors.Is(err, rabbitmq.ErrNotInstalled) {
		testkit.Missing(tb, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	testkit.Report(tb, "RabbitMQ: %s", s.Broker.From())
	testkit.Report(tb, "MongoDB: %s", s.MongoDB.From)
	tb.Cleanup(func() {
		if tb.Failed() {
			for _, p := range s.Programs() {
				tb.Logf("%s:\n%s", p.Name, p.logTail())
			}
		}
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Run runs the stack until Close and returns when all its programs are ready.
func Run(ctx context.Context, cfg Config) (*Stack, error) {
	s := &Stack{cfg: cfg, MongoDB: cfg.MongoDB}
	if err := s.run(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) run(ctx context.Context) (err error) {
	if s.Broker, err = rabbitmq.Run(ctx); err != nil {
		return fmt.Errorf("start RabbitMQ: %w", err)
	}
	s.close = append(s.close, s.Broker.Close)
	if s.MongoDB == nil {
		if s.MongoDB, err = mongodb.Run(ctx); err != nil {
			return fmt.Errorf("start MongoDB: %w", err)
		}
		s.close = append(s.close, s.MongoDB.Close)
	}
	db, leave, err := s.MongoDB.OpenDatabase()
	if err != nil {
		return fmt.Errorf("connect to MongoDB: %w", err)
	}
	s.Database = db
	s.close = append(s.close, func() error { return leave(context.WithoutCancel(ctx)) }, s.stopPrograms)

	if s.Auth, err = s.start(ctx, "auth", "auth", "", "--keys", filepath.Join(s.cfg.Dir, "keys")); err != nil {
		return err
	}
	// The receivers of the tests' webhooks are on this machine too.
	if s.Notifier, err = s.start(ctx, "notifier", "notifier", "",
		"--amqp-uri", s.Broker.URI(), "--auth-url", s.Auth.URL(), "--webhook-networks", "127.0.0.0/8"); err != nil {
		return err
	}
	for i := range max(1, s.cfg.Gateways) {
		var addr string
		if i == 0 {
			addr = s.cfg.Addr
		}
		flags := append([]string{
			"--amqp-uri", s.Broker.URI(), "--auth-url", s.Auth.URL(), "--notifier-url", s.Notifier.URL(), "--reserve", "0",
		}, s.cfg.GatewayFlags...)
		p, err := s.start(ctx, "gateway", fmt.Sprintf("gateway-%d", i+1), addr, flags...)
		if err != nil {
			return err
		}
		s.Gateways = append(s.Gateways, p)
	}
	for i := range max(1, s.cfg.Converters) {
		name := fmt.Sprintf("converter-%d", i+1)
		p, err := s.start(ctx, "converter", name, "",
			"--amqp-uri", s.Broker.URI())
		if err != nil {
			return err
		}
		s.Converters = append(s.Converters, p)
	}
	for _, p := range s.Programs() {
		if err := p.waitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// start starts a program at the address, or at a free one.
func (s *Stack) start(ctx context.Context, program, name, addr string, args ...string) (*Process, error) {
	if addr == "" {
		var err error
		if addr, err = testkit.FreeAddr(); err != nil {
			return nil, err
		}
	}
	logs := filepath.Join(s.cfg.Dir, "log")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return nil, err
	}
	p := &Process{
		Name: name, addr: addr, log: filepath.Join(logs, name+".log"),
		path: filepath.Join(s.cfg.Bin, program),
		args: append(args, "--mongodb-uri", s.MongoDB.URI, "--mongodb-database", s.Database.Name()),
	}
	if err := p.start(ctx); err != nil {
		return nil, fmt.Errorf("start %s: %w\n%s", name, err, p.logTail())
	}
	return p, nil
}

// Programs returns the programs that were started.
func (s *Stack) Programs() []*Process {
	var all []*Process
	all = append(all, s.Gateways...)
	all = append(all, s.Converters...)
	for _, p := range []*Process{s.Notifier, s.Auth} {
		if p != nil { // a start may fail midway
			all = append(all, p)
		}
	}
	return all
}

// Close stops everything that was started: the programs first, while their
// dependencies are still running.
func (s *Stack) Close() error {
	var errs []error
	for _, end := range slices.Backward(s.close) {
		errs = append(errs, end())
	}
	s.close = nil
	return errors.Join(errs...)
}

func (s *Stack) stopPrograms() error {
	programs := s.Programs()
	errs := make([]error, len(programs))
	var wg sync.WaitGroup
	for i, p := range programs {
		wg.Go(func() {
			if err := p.end(); err != nil {
				errs[i] = fmt.Errorf("stop %s: %w", p.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
