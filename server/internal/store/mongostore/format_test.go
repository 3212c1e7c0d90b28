package mongostore_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/internal/store/storetest"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// nextFormat is a format after today's: users have their hash in another field.
func nextFormat() format.Format {
	return storetest.NextFormat("password_hash", "secret")
}

// openRelease opens a database as release 1.1.0, with today's format, or 1.2.0, with the
// next one.
func openRelease(t *testing.T, server *mongodb.Server, db *mongo.Database, f format.Format) (store.Store, error) {
	t.Helper()
	release := "1.1.0"
	if f.Number > format.Current().Number {
		release = "1.2.0"
	}
	return mongostore.Open(t.Context(), mongostore.Config{
		URI: server.URI, Database: db.Name(), Format: f, Release: release, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
}

func mustOpenRelease(t *testing.T, server *mongodb.Server, db *mongo.Database, f format.Format) store.Store {
	t.Helper()
	s, err := openRelease(t, server, db, f)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

// refused checks an error about the format.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	e := sx.AsError(err)
	if err == nil || e.Code != sx.CodeStoredFormat || e.Hint == "" {
		t.Fatalf("got %v, want an error of code stored_format with a hint", err)
	}
	for _, w := range words {
		if !strings.Contains(e.Message+"\n"+e.Hint, w) {
			t.Errorf("neither message nor hint contains %q: %s; %s", w, e.Message, e.Hint)
		}
	}
}

// setHash changes a user's hash, as a service does.
func setHash(t *testing.T, s store.Store, id, hash string) {
	t.Helper()
	_, err := store.Update(t.Context(), id, s.Users.ByID, s.Users.Replace, func(u *sx.User) error {
		u.PasswordHash = hash
		return nil
	})
	check(t, err)
}

func wantHash(t *testing.T, s store.Store, id, want string) {
	t.Helper()
	u, err := s.Users.ByID(t.Context(), id)
	check(t, err)
	byName, err := s.Users.ByName(t.Context(), u.Name)
	check(t, err)
	if u.PasswordHash != want || byName.PasswordHash != want {
		t.Errorf("the hash of %s is %q and by name %q, want %q", id, u.PasswordHash, byName.PasswordHash, want)
	}
}

// wantStored checks the format of a user's document.
func wantStored(t *testing.T, db *mongo.Database, id string, number int) {
	t.Helper()
	raw, err := db.Collection("users").FindOne(t.Context(), bson.D{{Key: "_id", Value: id}}).Raw()
	check(t, err)
	mark, _ := raw.Lookup("format").AsInt64OK()
	_, errOld := raw.LookupErr("password_hash")
	_, errNext := raw.LookupErr("secret")
	switch {
	case number == 1 && (mark != 0 || errOld != nil || errNext == nil), number == 2 && (mark != 2 || errOld == nil || errNext != nil):
		t.Errorf("the document of %s does not have format %d: %s", id, number, raw)
	}
}

// TestUpgrade goes from today's format to the next one, back, and there again, with
// replicas of both releases at the same time.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	db := server.Database(t)
	old := mustOpenRelease(t, server, db, format.Current())
	for _, id := range []string{"ada", "bob"} {
		check(t, old.Users.Create(t.Context(), sx.User{ID: id, Name: id, PasswordHash: "by the previous release"}))
	}
	next := mustOpenRelease(t, server, db, nextFormat())
	wantHash(t, next, "ada", "by the previous release")
	setHash(t, next, "ada", "by the next release")
	check(t, next.Users.Create(t.Context(), sx.User{ID: "eve", Name: "eve", PasswordHash: "by the next release"}))
	for _, id := range []string{"ada", "eve"} {
		wantStored(t, db, id, 1)
		wantHash(t, old, id, "by the next release")
	}
	if _, err := next.Format.Finish(t.Context()); sx.CodeOf(err) != sx.CodeConflict || !strings.Contains(err.Error(), "1.1.0") {
		t.Errorf("Finish with a replica of the previous release: %v", err)
	}

	// Back.
	check(t, next.Close())
	setHash(t, old, "ada", "after going back")
	next, other := mustOpenRelease(t, server, db, nextFormat()), mustOpenRelease(t, server, db, nextFormat())
	defer func() { check(t, other.Close()) }()
	wantHash(t, next, "ada", "after going back")
	wantHash(t, old, "eve", "by the next release")
	check(t, old.Close())

	// There again, with a crash before the first document is written.
	if s, err := next.Format.Finish(t.Context()); err != nil || s.Format != 2 {
		t.Fatalf("Finish: %+v, %v", s, err)
	}
	check(t, next.Close())
	_, err := openRelease(t, server, db, format.Current())
	refused(t, err, db.Name(), "format 2", "1.2.0", "1.1.0", "restore a backup")
	next = mustOpenRelease(t, server, db, nextFormat())
	defer func() { check(t, next.Close()) }()
	setHash(t, next, "ada", "in the next format")
	wantStored(t, db, "ada", 2)
	wantStored(t, db, "bob", 1)
	wantHash(t, next, "bob", "by the previous release")
	list, _, err := next.Users.List(t.Context(), "", 0)
	check(t, err)
	if len(list) != 3 || list[0].PasswordHash != "in the next format" || list[1].PasswordHash != "by the previous release" {
		t.Errorf("both formats are listed as %+v", list)
	}

	// A replica that has not heard of it yet must not write an older document over a newer one.
	if n := other.Format.Writes(); n != 1 {
		t.Fatalf("the other replica writes format %d already", n)
	}
	setHash(t, other, "ada", "by the other replica")
	wantStored(t, db, "ada", 2)
	wantHash(t, next, "ada", "by the other replica")
}

// TestForgottenReplica has a replica of the previous release that still runs after the
// upgrade is final, because it had not been heard from for too long.
func TestForgottenReplica(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	db := server.Database(t)
	old := mustOpenRelease(t, server, db, format.Current())
	defer func() { check(t, old.Close()) }()
	check(t, old.Users.Create(t.Context(), sx.User{ID: "ada", Name: "ada", PasswordHash: "1"}))
	read, err := old.Users.ByID(t.Context(), "ada")
	check(t, err)
	_, err = db.Collection("format").UpdateOne(t.Context(), bson.D{}, bson.D{
		{Key: "$set", Value: bson.D{{Key: "processes.0.seen", Value: time.Now().Add(-format.Life)}}},
		{Key: "$inc", Value: bson.D{{Key: "rev", Value: 1}}},
	})
	check(t, err)
	next := mustOpenRelease(t, server, db, nextFormat())
	defer func() { check(t, next.Close()) }()
	if _, err := next.Format.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	setHash(t, next, "ada", "2")

	_, err = old.Users.ByID(t.Context(), "ada")
	refused(t, err, "format 2")
	read.PasswordHash = "lost"
	if err := old.Users.Replace(t.Context(), read); err == nil {
		t.Error("the previous release has replaced a document of the next format")
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	refused(t, old.Format.Refused(ctx), "format 2")
	wantHash(t, next, "ada", "2")
}

// TestUnknownFormat checks that a database of a future release is refused, and not
// changed.
func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	db := server.Database(t)
	_, err := db.Collection("format").InsertOne(t.Context(), bson.D{
		{Key: "_id", Value: "store"},
		{Key: "rev", Value: int64(7)},
		{Key: "format", Value: 12},
		{Key: "oldest", Value: 11},
		{Key: "release", Value: "9.8.7"},
		{Key: "unknown", Value: "to this release"},
	})
	check(t, err)
	_, err = openRelease(t, server, db, format.Current())
	refused(t, err, db.Name(), "format 12", "9.8.7")
	counts(t, db, map[string]int{"format": 1, "users": 0})
	raw, err := db.Collection("format").FindOne(t.Context(), bson.D{}).Raw()
	check(t, err)
	if rev := raw.Lookup("rev").AsInt64(); rev != 7 {
		t.Errorf("the record was changed: %s", raw)
	}
}
