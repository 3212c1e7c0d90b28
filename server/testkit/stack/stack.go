// Package stack runs the product as it runs in production, on this machine:
// a RabbitMQ of its own, the MongoDB at hand (see package mongodb) and the four
// services as programs. It ends what it started and nothing else; everything
// ends with the process that started it too, however that ends.
package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/soundextract/sx/server/testkit/mongodb"
	"github.com/soundextract/sx/server/testkit/rabbitmq"
)

// readyLimit bounds the wait for the programs to be ready.
const readyLimit = time.Minute

// Config says what to run.
type Config struct {
	Bin        string // folder of the programs, see Build
	Dir        string // folder for keys, logs and temporary files; "" is one of the test
	Addr       string // host:port of the first gateway; "" takes a free port
	Gateways   int    // 0 is one
	Converters int    // 0 is one
	// MongoDB is nil for the one at hand; a test that kills it brings its own.
	MongoDB *mongodb.Server
}

// Stack is what runs.
type Stack struct {
	Broker   *rabbitmq.Broker
	MongoDB  *mongodb.Server
	Database *mongo.Database // the stack's own, through a client of the test's own

	Auth       *Process
	Gateways   []*Process
	Converters []*Process
	Notifier   *Process
}

// Build builds the four programs into dir, and others by the paths of their
// packages, with the race detector if the caller has it.
func Build(ctx context.Context, dir string, others ...string) error {
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, raceFlags...)
	for _, name := range []string{"auth", "gateway", "converter", "notifier"} {
		args = append(args, "github.com/soundextract/sx/server/cmd/"+name)
	}
	if out, err := exec.CommandContext(ctx, "go", append(args, others...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
}

// Start runs the stack until the end of the test and returns when all its
// programs are ready.
func Start(tb testing.TB, cfg Config) *Stack {
	tb.Helper()
	if cfg.Dir == "" {
		cfg.Dir = tb.TempDir()
	}
	if cfg.Addr == "" {
		cfg.Addr = freePort
	}
	s := &Stack{Broker: rabbitmq.Start(tb), MongoDB: cfg.MongoDB}
	if s.MongoDB == nil {
		s.MongoDB = mongodb.Start(tb)
	}
	s.Database = s.MongoDB.Database(tb)
	tb.Cleanup(func() { s.stop(tb) })
	s.Auth = s.start(tb, cfg, "auth", "auth", freePort, "--keys", filepath.Join(cfg.Dir, "keys"))
	// Whoever gets webhooks of the tests is on this machine too.
	s.Notifier = s.start(tb, cfg, "notifier", "notifier", freePort,
		"--amqp-uri", s.Broker.URI(), "--auth-url", s.Auth.URL(), "--webhook-networks", "127.0.0.0/8")
	for i := range max(1, cfg.Gateways) {
		addr := freePort
		if i == 0 {
			addr = cfg.Addr
		}
		s.Gateways = append(s.Gateways, s.start(tb, cfg, "gateway", fmt.Sprintf("gateway-%d", i+1), addr,
			"--amqp-uri", s.Broker.URI(), "--auth-url", s.Auth.URL(), "--notifier-url", s.Notifier.URL()))
	}
	for i := range max(1, cfg.Converters) {
		name := fmt.Sprintf("converter-%d", i+1)
		s.Converters = append(s.Converters, s.start(tb, cfg, "converter", name, freePort,
			"--amqp-uri", s.Broker.URI(), "--temp", filepath.Join(cfg.Dir, name)))
	}
	for _, p := range s.Programs() {
		p.WaitReady()
	}
	return s
}

// freePort is the address that takes a free port.
const freePort = "127.0.0.1:0"

func (s *Stack) start(tb testing.TB, cfg Config, program, name, addr string, args ...string) *Process {
	tb.Helper()
	logs := filepath.Join(cfg.Dir, "log")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		tb.Fatal(err)
	}
	p := &Process{
		Name: name, tb: tb, addr: addr, log: filepath.Join(logs, name+".log"),
		path: filepath.Join(cfg.Bin, program),
		args: append(args, "--mongodb-uri", s.MongoDB.URI, "--mongodb-database", s.Database.Name()),
	}
	p.Start()
	return p
}

// Programs gives all that were started.
func (s *Stack) Programs() []*Process {
	var all []*Process
	all = append(all, s.Gateways...)
	all = append(all, s.Converters...)
	for _, p := range []*Process{s.Notifier, s.Auth} {
		if p != nil { // a start may fail half-way
			all = append(all, p)
		}
	}
	return all
}

// stop ends the programs while the parts they need are still there.
func (s *Stack) stop(tb testing.TB) {
	var wg sync.WaitGroup
	for _, p := range s.Programs() {
		if tb.Failed() {
			tb.Logf("%s:\n%s", p.Name, p.lastWords())
		}
		wg.Go(func() {
			if err := p.end(); err != nil {
				tb.Errorf("stopping %s: %v", p.Name, err)
			}
		})
	}
	wg.Wait()
}
