// Package mongodb provides a MongoDB for tests: the one that
// SX_TEST_MONGODB_URI names, or else a mongod from PATH, or else the program in
// the directory standin, which is built when needed.
package mongodb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/testkit"
)

// Variable is the environment variable with the URI of the MongoDB to test
// against. Tests create their own databases in it and drop them.
const Variable = "SX_TEST_MONGODB_URI"

// EnvContainer names the docker container of the MongoDB that Variable names.
// RunOwn then uses that server, and kills and starts the container: only one test
// may do so at a time.
const EnvContainer = "SX_TEST_MONGODB_CONTAINER"

// startLimit bounds the wait for a server to respond.
const startLimit = 30 * time.Second

// Server is a running MongoDB. Its methods are for one goroutine.
type Server struct {
	URI string
	// From describes where the server comes from.
	From string

	process   *process // nil for a server that was already running
	container string   // of a server that was already running, if it may be killed
}

// Start returns a MongoDB that other tests may be using too.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, Run)
}

// StartOwn returns a MongoDB that the test may kill.
func StartOwn(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, RunOwn)
}

// StartSmall returns a stand-in whose databases behave as if the disk were full
// once they have reached the given size in megabytes, which a real MongoDB
// cannot simulate.
func StartSmall(tb testing.TB, megabytes int) *Server {
	tb.Helper()
	return start(tb, func(ctx context.Context) (*Server, error) { return runStandin(ctx, megabytes) })
}

func start(tb testing.TB, run func(context.Context) (*Server, error)) *Server {
	tb.Helper()
	testkit.SkipShort(tb)
	s, err := run(context.WithoutCancel(tb.Context())) // cleanups still need it
	if err != nil {
		tb.Fatalf("starting MongoDB: %v", err)
	}
	testkit.Report(tb, "MongoDB: %s", s.From)
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("ending MongoDB: %v", err)
		}
	})
	return s
}

// Run returns the MongoDB that SX_TEST_MONGODB_URI names, or else runs one
// until Close.
func Run(ctx context.Context) (*Server, error) {
	uri := os.Getenv(Variable)
	if uri == "" {
		return RunOwn(ctx)
	}
	shown := uri
	if u, err := url.Parse(uri); err == nil {
		shown = u.Redacted()
	}
	s := &Server{URI: uri, From: fmt.Sprintf("the one of %s, %s", Variable, shown)}
	return s, s.wait(ctx)
}

// RunOwn runs a MongoDB that no other test uses, until Close.
func RunOwn(ctx context.Context) (*Server, error) {
	if container := os.Getenv(EnvContainer); container != "" {
		s := &Server{URI: os.Getenv(Variable), From: "the container of " + EnvContainer, container: container}
		return s, s.resume(ctx)
	}
	path, err := exec.LookPath("mongod")
	if err != nil {
		return runStandin(ctx, 0)
	}
	return launch(ctx, "started by the tests, "+path, mongod(ctx, path))
}

func runStandin(ctx context.Context, megabytes int) (*Server, error) {
	program, err := build(ctx)
	if err != nil {
		return nil, fmt.Errorf("build the stand-in: %w\nset %s to a MongoDB for the tests, or put mongod on PATH", err, Variable)
	}
	return launch(ctx, "the stand-in, because there is no mongod on PATH", standin(ctx, program, megabytes))
}

func launch(ctx context.Context, from string, p *process) (*Server, error) {
	dir, err := os.MkdirTemp("", "sx-mongodb-")
	if err != nil {
		return nil, err
	}
	p.dir = dir
	s := &Server{From: from, process: p}
	if err := s.resume(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close stops a server that this package started, and deletes its data.
func (s *Server) Close() error {
	if s.process == nil {
		return nil
	}
	return errors.Join(s.process.kill(), os.RemoveAll(s.process.dir))
}

// Kill kills the server as a crash does. Its data and address stay the same.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	var err error
	switch {
	case s.process != nil:
		err = s.process.kill()
	case s.container != "":
		err = testkit.Docker(tb.Context(), "kill", s.container)
	default:
		tb.Fatalf("the MongoDB of %s must not be killed by a test: see StartOwn", Variable)
	}
	if err != nil {
		tb.Fatalf("killing MongoDB: %v", err)
	}
}

// Pause makes the server hang: it keeps its connections and accepts new ones, but does
// not respond until Continue. Close and Kill work meanwhile.
func (s *Server) Pause(tb testing.TB) {
	tb.Helper()
	s.signal(tb, "pause", syscall.SIGSTOP)
}

// Continue lets the server respond again after Pause.
func (s *Server) Continue(tb testing.TB) {
	tb.Helper()
	s.signal(tb, "unpause", syscall.SIGCONT)
}

func (s *Server) signal(tb testing.TB, docker string, signal syscall.Signal) {
	tb.Helper()
	var err error
	switch {
	case s.process != nil:
		err = s.process.signal(tb.Context(), signal)
	case s.container != "":
		err = testkit.Docker(tb.Context(), docker, s.container)
	default:
		tb.Fatalf("the MongoDB of %s must not be stopped by a test: see StartOwn", Variable)
	}
	if err != nil {
		tb.Fatalf("sending %v to MongoDB: %v", signal, err)
	}
}

// Limit makes the server's databases full at the given size in megabytes, from its next
// start; 0 means never. It returns false for a real MongoDB, which cannot simulate that.
func (s *Server) Limit(megabytes int) bool {
	if s.process == nil || !s.process.standin {
		return false
	}
	s.process.megabytes = megabytes
	return true
}

// Resume starts the server again after Kill and waits until it responds.
func (s *Server) Resume(tb testing.TB) {
	tb.Helper()
	if err := s.resume(tb.Context()); err != nil {
		tb.Fatalf("starting MongoDB again: %v", err)
	}
}

func (s *Server) resume(ctx context.Context) (err error) {
	if s.process == nil {
		err = testkit.Docker(ctx, "start", s.container)
	} else {
		s.URI, err = s.process.start(ctx)
	}
	if err != nil {
		return err
	}
	return s.wait(ctx)
}

func (s *Server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	c, err := s.connect()
	if err == nil {
		err = errors.Join(c.Ping(ctx, nil), c.Disconnect(ctx))
	}
	if err != nil {
		return fmt.Errorf("no response from %s: %w", s.URI, err)
	}
	return nil
}

func (s *Server) connect() (*mongo.Client, error) {
	return mongo.Connect(options.Client().ApplyURI(s.URI).SetServerSelectionTimeout(startLimit))
}

// Database returns a new database, through a client that shares nothing with
// the code under test. It is dropped at the end of the test.
func (s *Server) Database(tb testing.TB) *mongo.Database {
	tb.Helper()
	db, leave, err := s.OpenDatabase()
	if err != nil {
		tb.Fatalf("connecting to MongoDB: %v", err)
	}
	tb.Cleanup(func() {
		if err := leave(context.WithoutCancel(tb.Context())); err != nil {
			tb.Errorf("leaving MongoDB: %v", err)
		}
	})
	return db
}

// OpenDatabase is Database without a test: leave drops the database if the
// server keeps running, and disconnects.
func (s *Server) OpenDatabase() (db *mongo.Database, leave func(context.Context) error, err error) {
	c, err := s.connect()
	if err != nil {
		return nil, nil, err
	}
	db = c.Database("sx-test-" + strings.ToLower(rand.Text()))
	return db, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, startLimit)
		defer cancel()
		var err error
		if s.process == nil {
			err = db.Drop(ctx)
		}
		return errors.Join(err, c.Disconnect(ctx))
	}, nil
}
