// Command standin is what the tests use where there is no MongoDB: FerretDB on
// SQLite, behind a front that lets no other command run beside one that writes.
//
// FerretDB 1.24 reads a document, changes it and writes it back in separate
// steps, so that two compare-and-sets can both succeed. One at a time they are
// as atomic as MongoDB's own.
//
// It has no authentication, transactions, change streams, TTL or partial
// indexes, and only a filter of exactly {_id: …} is fast. It listens on the
// loopback alone, and prints its URI on standard output when it is ready.
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
	flag.IntVar(&c.port, "port", 0, "port to listen on; 0 takes a free one")
	flag.StringVar(&c.data, "data", "", "directory of the data; by default one that is removed at the end")
	flag.IntVar(&c.megabytes, "megabytes", 0, "how large a database may grow, as if the disk were full then; 0 is no limit")
	flag.BoolVar(&attached, "attached", false, "end when standard input ends, so as not to outlive the process that started this")
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
	f := &front{backend: backend, data: c.data, indexed: map[namespace]bool{}}
	go f.accept(ctx, listener)
	if _, err := fmt.Fprintf(out, "mongodb://%s/\n", listener.Addr()); err != nil {
		return err
	}
	<-ctx.Done()
	select {
	case <-ended:
	case <-time.After(5 * time.Second): // a client that holds its connection is not waited for
	}
	return nil
}

// start runs FerretDB until ctx ends and gives its address.
func start(ctx context.Context, c config) (address string, ended <-chan struct{}, err error) {
	dir, err := filepath.Abs(c.data)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	// What is committed outlives this process without waiting for the disk.
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

// terse leaves out what FerretDB attaches to its loggers: the arguments of each
// SQL statement, which cost more to quote than to store.
type terse struct{ slog.Handler }

func (t terse) WithAttrs([]slog.Attr) slog.Handler { return t }
