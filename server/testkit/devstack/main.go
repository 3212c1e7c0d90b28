// Command devstack runs all services on this machine as in production (see
// package stack) until SIGINT or SIGTERM.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/testkit/stack"
)

// stateName is the name of the file in the stack's directory by which scripts
// find the stack. It exists while the stack runs.
const stateName = "stack.json"

func main() {
	var cfg stack.Config
	flag.StringVar(&cfg.Bin, "bin", "bin", "directory of the programs")
	flag.StringVar(&cfg.Dir, "dir", ".stack", "directory for keys, logs and temporary files")
	flag.StringVar(&cfg.Addr, "addr", "127.0.0.1:8740", "address of the gateway; port 0 selects a free port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, cfg)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg stack.Config) (err error) {
	s, err := stack.Run(ctx, cfg)
	if ctx.Err() != nil && err != nil {
		return nil // stopped during its start
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	state, err := json.Marshal(map[string]any{"url": s.Gateways[0].URL(), "pid": os.Getpid()})
	if err != nil {
		return err
	}
	path := filepath.Join(cfg.Dir, stateName)
	if err := atomicfile.Write(path, state, 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	fmt.Printf("The stack is running at %s\n", s.Gateways[0].URL())
	fmt.Fprintf(os.Stderr, "next: export SX_SERVER=%s, then: bin/sx register NAME\n"+
		"      or, in another terminal: make demo STACK=1\n"+
		"      logs: %s; stop: Ctrl-C\n", s.Gateways[0].URL(), filepath.Join(cfg.Dir, "log"))
	<-ctx.Done()
	fmt.Fprintln(os.Stderr, "stopping")
	return nil
}
