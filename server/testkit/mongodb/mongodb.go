// Package mongodb gives tests a MongoDB: the one that SX_TEST_MONGODB_URI
// names, else a mongod from PATH, else the program in the folder standin, which
// is built on the spot. A test that can have none fails.
package mongodb

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/testkit"
)

// Variable names the MongoDB to test against. Tests make databases of their own
// in it and drop them.
const Variable = "SX_TEST_MONGODB_URI"

// startLimit bounds the wait for a server to answer.
const startLimit = 30 * time.Second

// Server is a running MongoDB, which ends with its test.
type Server struct {
	URI string

	tb      testing.TB
	process *process // nil for a server that was there before
}

// Start gives a MongoDB that other tests may be using too.
func Start(tb testing.TB) *Server {
	tb.Helper()
	uri := os.Getenv(Variable)
	if uri == "" {
		return StartOwn(tb)
	}
	shown := uri
	if u, err := url.Parse(uri); err == nil {
		shown = u.Redacted()
	}
	testkit.Report(tb, "MongoDB: the one of %s, %s", Variable, shown)
	s := &Server{URI: uri, tb: tb}
	s.wait()
	return s
}

// StartOwn gives a MongoDB that the test may kill.
func StartOwn(tb testing.TB) *Server {
	tb.Helper()
	if path, err := exec.LookPath("mongod"); err == nil {
		testkit.Report(tb, "MongoDB: started by the tests, %s", path)
		return launch(tb, mongod(tb, path))
	}
	testkit.Report(tb, "MongoDB: none at hand, so the stand-in that the tests build")
	return launch(tb, standin(tb, 0))
}

// StartSmall gives a stand-in whose databases behave as if the disk were full
// once they have so many megabytes: that cannot be had from a real MongoDB.
func StartSmall(tb testing.TB, megabytes int) *Server {
	tb.Helper()
	return launch(tb, standin(tb, megabytes))
}

func launch(tb testing.TB, p *process) *Server {
	tb.Helper()
	s := &Server{tb: tb, process: p}
	s.Resume()
	tb.Cleanup(s.Kill)
	return s
}

// Kill ends the server as a crash does. Its data stay, and so does its address.
func (s *Server) Kill() {
	s.tb.Helper()
	if s.process == nil {
		s.tb.Fatalf("the MongoDB of %s is not the test's to kill: see StartOwn", Variable)
	}
	if err := s.process.kill(); err != nil {
		s.tb.Fatalf("killing MongoDB: %v", err)
	}
}

// Resume starts the server again after Kill and waits until it answers.
func (s *Server) Resume() {
	s.tb.Helper()
	uri, err := s.process.start(s.tb.Context())
	if err != nil {
		s.tb.Fatalf("starting MongoDB: %v", err)
	}
	s.URI = uri
	s.wait()
}

func (s *Server) wait() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(s.tb.Context(), startLimit)
	defer cancel()
	c := connect(s.tb, s.URI)
	err := errors.Join(c.Ping(ctx, nil), c.Disconnect(ctx))
	if err != nil {
		s.tb.Fatalf("MongoDB does not answer at %s: %v", s.URI, err)
	}
}

func connect(tb testing.TB, uri string) *mongo.Client {
	tb.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(startLimit))
	if err != nil {
		tb.Fatalf("connecting to MongoDB: %v", err)
	}
	return c
}

// Database gives a database of the test's own, through a client that shares
// nothing with the code under test. It is dropped at the end where the server
// outlives the test.
func (s *Server) Database(tb testing.TB) *mongo.Database {
	tb.Helper()
	c := connect(tb, s.URI)
	db := c.Database("sx-test-" + strings.ToLower(rand.Text()))
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), startLimit)
		defer cancel()
		var err error
		if s.process == nil {
			err = db.Drop(ctx)
		}
		if err = errors.Join(err, c.Disconnect(ctx)); err != nil {
			tb.Errorf("leaving MongoDB: %v", err)
		}
	})
	return db
}
