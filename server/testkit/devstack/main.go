// Command stack runs the product on this machine as it runs in production, see
// package stack, until SIGINT or SIGTERM.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/soundextract/sx/server/testkit/stack"
)

// stateName is the file in the stack's folder by which others find it. It is
// there while the stack runs.
const stateName = "stack.json"

// state is what others may want to know.
type state struct {
	URL      string   `json:"url"` // of the first gateway
	PID      int      `json:"pid"`
	Gateways []string `json:"gateways"` // URLs
	MongoDB  string   `json:"mongodb"`  // URI
	Database string   `json:"database"`
	// Programs holds the process ids of the programs by their names, such as gateway-1.
	Programs map[string]int `json:"programs"`
}

func main() { os.Exit(run()) }

func run() int {
	var cfg stack.Config
	flag.StringVar(&cfg.Bin, "bin", "bin", "folder of the programs")
	flag.StringVar(&cfg.Dir, "dir", ".stack", "folder for keys, logs and temporary files")
	flag.StringVar(&cfg.Addr, "addr", "127.0.0.1:8740", "address of the first gateway; port 0 takes a free one")
	flag.IntVar(&cfg.Gateways, "gateways", 1, "how many gateways")
	flag.IntVar(&cfg.Converters, "converters", 1, "how many converters")
	attached := flag.Bool("attached", false, "end when standard input ends, so as not to outlive whoever started this")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if *attached {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	return hosted(ctx, os.Stderr, func(tb *host) {
		s := stack.Start(tb, cfg)
		now := state{PID: os.Getpid(), MongoDB: s.MongoDB.URI, Database: s.Database.Name(), Programs: map[string]int{}}
		for _, p := range s.Programs() {
			now.Programs[p.Name] = p.PID()
		}
		for _, p := range s.Gateways {
			now.Gateways = append(now.Gateways, p.URL())
		}
		now.URL = now.Gateways[0]
		path := filepath.Join(cfg.Dir, stateName)
		if err := now.write(path); err != nil {
			tb.Fatalf("write %s: %v", path, err)
		}
		tb.Cleanup(func() { _ = os.Remove(path) })
		_, _ = fmt.Fprintf(os.Stdout, "The stack runs at %s\n", now.URL)
		_, _ = fmt.Fprintf(os.Stderr, "next: export SX_SERVER=%s, then: bin/sx register NAME\n"+
			"      or, in another terminal: make demo STACK=1\n"+
			"      logs: %s; stop: Ctrl-C\n", now.URL, filepath.Join(cfg.Dir, "log"))
		<-ctx.Done()
		_, _ = fmt.Fprintln(os.Stderr, "stopping")
	})
}

// write writes the file so that nobody sees half of it.
func (s state) write(path string) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
