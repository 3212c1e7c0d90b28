package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/testkit"
)

// VariableRoot is the environment variable with the URI, as root, of a MongoDB that
// enforces access control.
const VariableRoot = "SX_TEST_MONGODB_ROOT_URI"

const (
	rootName     = "root"
	rootPassword = "root's password"
)

// StartSecured returns a MongoDB that enforces access control, with the URI of its root
// user: the one that SX_TEST_MONGODB_ROOT_URI names, or else a mongod from PATH. The
// stand-in knows no roles, and no distribution has a mongod for make deps to install: without
// either, the test is skipped, and the report of make test says so.
func StartSecured(tb testing.TB) *Server {
	tb.Helper()
	testkit.SkipShort(tb)
	if os.Getenv(VariableRoot) == "" {
		if _, err := exec.LookPath("mongod"); err != nil {
			testkit.Report(tb, "MongoDB's roles: not tested, because there is no mongod on PATH and no %s", VariableRoot)
			tb.Skipf("needs a mongod on PATH or in %s", VariableRoot)
		}
	}
	return start(tb, runSecured)
}

func runSecured(ctx context.Context) (*Server, error) {
	if uri := os.Getenv(VariableRoot); uri != "" {
		s := &Server{URI: uri, From: "the one of " + VariableRoot}
		return s, s.wait(ctx)
	}
	path, err := exec.LookPath("mongod")
	if err != nil {
		return nil, err
	}
	p := mongod(ctx, path, "--auth")
	p.env = []string{"MONGO_INITDB_ROOT_USERNAME=" + rootName, "MONGO_INITDB_ROOT_PASSWORD=" + rootPassword}
	s, err := launch(ctx, "started by the tests, "+path, p)
	if err != nil {
		return nil, err
	}
	if err := s.becomeRoot(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// becomeRoot creates the root user, which a MongoDB without users allows from localhost.
// Images and stand-ins have created it from their environment.
func (s *Server) becomeRoot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	anyone, err := s.connect()
	if err != nil {
		return err
	}
	defer func() { _ = anyone.Disconnect(ctx) }()
	created := anyone.Database("admin").RunCommand(ctx, bson.D{
		{Key: "createUser", Value: rootName}, {Key: "pwd", Value: rootPassword}, {Key: "roles", Value: bson.A{"root"}},
	}).Err()
	s.URI = s.As(rootName, rootPassword)
	root, err := mongo.Connect(options.Client().ApplyURI(s.URI).SetServerSelectionTimeout(startLimit))
	if err != nil {
		return err
	}
	if err := errors.Join(root.Database("admin").RunCommand(ctx, bson.D{{Key: "usersInfo", Value: rootName}}).Err(), root.Disconnect(ctx)); err != nil {
		return fmt.Errorf("sign in as root: %w", errors.Join(err, created))
	}
	return nil
}

// As returns the server's URI for another user of the database admin.
func (s *Server) As(name, password string) string {
	u, err := url.Parse(s.URI)
	if err != nil {
		return s.URI
	}
	u.User = url.UserPassword(name, password)
	u.RawQuery = "authSource=admin"
	return u.String()
}
