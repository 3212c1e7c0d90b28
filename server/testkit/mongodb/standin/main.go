// Command standin replaces MongoDB in tests on machines without one: FerretDB
// on SQLite, behind a proxy that runs each writing command exclusively.
//
// FerretDB 1.24 reads a document, changes it and writes it back in separate
// steps, so that two compare-and-sets can both succeed. One at a time, they are
// as atomic as MongoDB's own.
//
// It has no authentication, transactions, change streams, TTL or partial indexes, and only
// a filter of exactly {_id: …}, or a deletion by a list of _ids, is fast. It listens only
// on the loopback interface, and prints its URI to standard output when it is ready.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
)

type config struct {
	port      int
	data      string
	megabytes int
}

func main() {
	var c config
	var attached bool
	flag.IntVar(&c.port, "port", 0, "port to listen on; 0 selects a free port")
	flag.StringVar(&c.data, "data", "", "data directory (default: a temporary one)")
	flag.IntVar(&c.megabytes, "megabytes", 0, "size of a database in megabytes at which the disk counts as full; 0 means no limit")
	flag.BoolVar(&attached, "attached", false, "exit at the end of standard input, so as not to outlive the parent process")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if attached {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	if err := run(ctx, c, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "MongoDB stand-in:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, c config, out io.Writer) (err error) {
	if c.data == "" {
		if c.data, err = os.MkdirTemp("", "mongo-standin-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.data)) }()
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", c.port))
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	backend, ended, err := start(ctx, c)
	if err != nil {
		return err
	}
	p := &proxy{backend: backend, data: c.data, indexed: map[namespace]bool{}}
	go p.accept(ctx, listener)
	if _, err := fmt.Fprintf(out, "mongodb://%s/\n", listener.Addr()); err != nil {
		return err
	}
	<-ctx.Done()
	select {
	case <-ended:
	case <-time.After(5 * time.Second): // do not wait for clients that keep their connections open
	}
	return nil
}

// start runs FerretDB until ctx ends and returns its address.
func start(ctx context.Context, c config) (address string, ended <-chan struct{}, err error) {
	dir, err := filepath.Abs(c.data)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	// Committed data survives this process without waiting for the disk.
	uri := "file:" + dir + "/?_pragma=synchronous(normal)"
	if c.megabytes > 0 {
		const pageSize = 4096
		uri += fmt.Sprintf("&_pragma=max_page_count(%d)", c.megabytes<<20/pageSize)
	}
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Handler:   "sqlite",
		SQLiteURL: uri,
		Logger:    slog.New(terse{slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})}),
	})
	if err != nil {
		return "", nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = db.Run(ctx)
	}()
	u, err := url.Parse(db.MongoDBURI())
	if err != nil {
		return "", nil, err
	}
	return u.Host, done, nil
}

// terse drops the attributes that FerretDB adds to its loggers: the arguments
// of each SQL statement, which cost more to format than to store.
type terse struct{ slog.Handler }

func (t terse) WithAttrs([]slog.Attr) slog.Handler { return t }
