package mongostore_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/internal/store/storetest"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// chunkSize is the store's own.
const chunkSize = 255 << 10

// TestConformance is not parallel because the suite measures memory. The URI asks for weak
// writes, which the store must not use.
func TestConformance(t *testing.T) {
	server, recorded, written := mongodb.Start(t), newQueries(), newWrites()
	uri := weakened(t, server.URI)
	storetest.Run(t, func(t *testing.T) func() store.Store {
		database := server.Database(t).Name()
		return func() store.Store { return openWith(t, uri, database, time.Now, written.monitor(recorded.monitor())) }
	})
	recorded.check(t, mongostore.Indexes(server.Database(t)))
	written.check(t)
}

func open(t testing.TB, uri, database string) store.Store {
	t.Helper()
	return openAt(t, uri, database, time.Now)
}

func openAt(t testing.TB, uri, database string, now func() time.Time) store.Store {
	t.Helper()
	return openWith(t, uri, database, now, nil)
}

func openWith(t testing.TB, uri, database string, now func() time.Time, commands *event.CommandMonitor) store.Store {
	t.Helper()
	s, err := mongostore.Open(t.Context(), mongostore.Config{
		URI: uri, Database: database, Log: slog.New(slog.DiscardHandler), Now: now, Commands: commands,
	})
	if err != nil {
		t.Fatalf("Open: %v (%v)", err, errors.Unwrap(err))
	}
	return s
}

// fresh opens a store on a new database, which it also returns, and closes it at
// the end of the test.
func fresh(t testing.TB, server *mongodb.Server) (store.Store, *mongo.Database) {
	t.Helper()
	db := server.Database(t)
	s := open(t, server.URI, db.Name())
	t.Cleanup(func() { check(t, s.Close()) })
	return s, db
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v (%v)", err, errors.Unwrap(err))
	}
}

// content returns pseudo-random bytes, the same ones for each seed.
func content(seed byte, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// count returns how many documents a collection contains.
func count(t testing.TB, db *mongo.Database, collection string) int {
	t.Helper()
	cursor, err := db.Collection(collection).Find(t.Context(), bson.D{}, options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}))
	check(t, err)
	var all []bson.Raw
	check(t, cursor.All(t.Context(), &all))
	return len(all)
}

func counts(t testing.TB, db *mongo.Database, want map[string]int) {
	t.Helper()
	for name, n := range want {
		if got := count(t, db, name); got != n {
			t.Errorf("%s has %d documents, want %d", name, got, n)
		}
	}
}

// checkVideo completes the upload and compares its digest and bytes.
func checkVideo(t testing.TB, s store.Store, id string, want []byte) {
	t.Helper()
	up, err := s.Videos.Complete(t.Context(), id)
	check(t, err)
	if up.SHA256 != sum(want) {
		t.Errorf("the digest of %s is %s, want %s", id, up.SHA256, sum(want))
	}
	b, err := s.Videos.Open(t.Context(), id)
	check(t, err)
	got, err := io.ReadAll(b)
	check(t, err)
	check(t, b.Close())
	if sum(got) != sum(want) {
		t.Errorf("video %s has different bytes than were stored", id)
	}
}

type readerFunc func([]byte) (int, error)

func (r readerFunc) Read(p []byte) (int, error) { return r(p) }
