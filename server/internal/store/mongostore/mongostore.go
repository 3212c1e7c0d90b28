package mongostore

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	// selectionTimeout is how long an operation waits for a MongoDB that is
	// unavailable, such as during an election.
	selectionTimeout = 5 * time.Second
	// operationTimeout limits each operation as a whole.
	operationTimeout = 15 * time.Second
)

// Config selects the MongoDB and its database.
type Config struct {
	// URI is the setting mongodb-uri: a connection string with the credentials and
	// TLS options that the server needs. Its read preference and write concern are
	// ignored.
	URI string
	// Database is the setting mongodb-database.
	Database string
	Log      *slog.Logger
	Now      func() time.Time
}

// Open connects and creates the indexes. A wrong setting, such as a malformed URI
// or credentials that MongoDB rejects, is an *sx.Error of code invalid that names
// the setting. A MongoDB that cannot be reached is one of code unavailable, and
// Open may be called again. ctx applies to Open only.
func Open(ctx context.Context, cfg Config) (store.Store, error) {
	o := options.Client().SetAppName("soundextract").ApplyURI(cfg.URI).
		SetServerSelectionTimeout(selectionTimeout).SetConnectTimeout(selectionTimeout).
		SetReadPreference(readpref.Primary()).SetWriteConcern(writeconcern.Majority()).
		SetServerMonitor(newMonitor(context.WithoutCancel(ctx), cfg.Log))
	var dns *net.DNSError
	if err := o.Validate(); errors.As(err, &dns) { // a mongodb+srv URI is resolved by DNS
		return store.Store{}, wrapError(ctx, "resolve the MongoDB hosts", err)
	} else if err != nil {
		return store.Store{}, uriError("is not a valid MongoDB URI: "+redact(cfg.URI, err), err)
	}
	if cfg.Database == "" || strings.ContainsAny(cfg.Database, "/\\. \"$*<>:|?\x00") || len(cfg.Database) > 63 {
		return store.Store{}, sx.NewError(sx.CodeInvalid, "the setting mongodb-database is %q, which is not a valid database name", cfg.Database).
			WithHint("use up to 63 letters, digits, - and _")
	}
	client, err := mongo.Connect(o)
	if err != nil {
		return store.Store{}, uriError("cannot be used: "+redact(cfg.URI, err), err)
	}
	disconnect := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), selectionTimeout)
		defer cancel()
		return client.Disconnect(ctx)
	}
	s := newStore(client.Database(cfg.Database))
	if err := s.createIndexes(ctx); err != nil {
		_ = disconnect() // nothing to lose, and err matters more
		return store.Store{}, accessError(cfg, err)
	}
	return store.Store{
		Users:                &users{s.users},
		Sessions:             &sessions{s.sessions},
		Invitations:          &invitations{s.invitations},
		PersonalTokens:       &personalTokens{s.tokens},
		NotificationSettings: &notificationSettings{s.notificationSettings},
		Deliveries:           &deliveries{s.deliveries},
		Jobs:                 &jobs{s.jobs},
		Videos:               &videos{uploads: s.uploads, bucket: s.videos, now: cfg.Now},
		Tracks:               &tracks{records: s.tracks, bucket: s.trackBucket, now: cfg.Now},
		Conversions:          &conversions{s.conversions},
		Ping:                 s.ping,
		Close:                disconnect,
	}, nil
}

func uriError(message string, cause error) error {
	return sx.NewError(sx.CodeInvalid, "the setting mongodb-uri %s", message).
		WithHint("use the form mongodb://user:password@host:27017/?authSource=admin").WithCause(cause)
}

// redact returns the text of err without the URI's credentials.
func redact(uri string, err error) string {
	_, rest, _ := strings.Cut(uri, "://")
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		return strings.ReplaceAll(err.Error(), rest[:at], "…")
	}
	return err.Error()
}

// accessError turns a rejection by MongoDB into an error about the setting.
func accessError(cfg Config, err error) error {
	switch {
	case hasCode(err, codeAuthenticationFailed):
		return sx.NewError(sx.CodeInvalid, "MongoDB rejected the credentials of the setting mongodb-uri").
			WithHint("check its user, password and authSource").WithCause(err)
	case hasCode(err, codeUnauthorized):
		return sx.NewError(sx.CodeInvalid, "the user of the setting mongodb-uri is not authorized for the database %s", cfg.Database).
			WithHint("grant the user the role readWrite on it").WithCause(err)
	default:
		return err
	}
}

// collections are those that doc.go describes.
type collections struct {
	db                                   *mongo.Database
	users, sessions, invitations, tokens collection
	notificationSettings, deliveries     collection
	jobs, uploads, tracks, conversions   collection
	videos, trackBucket                  bucket
}

func newStore(db *mongo.Database) *collections {
	of := func(name string) collection { return collection{db.Collection(name)} }
	return &collections{
		db:    db,
		users: of("users"), sessions: of("sessions"), invitations: of("invitations"), tokens: of("personal_tokens"),
		notificationSettings: of("notification_settings"), deliveries: of("deliveries"),
		jobs: of("jobs"), uploads: of("uploads"), tracks: of("tracks"), conversions: of("conversions"),
		videos:      bucket{files: of("videos.files"), chunks: of("videos.chunks")},
		trackBucket: bucket{files: of("tracks.files"), chunks: of("tracks.chunks")},
	}
}

func (s *collections) ping(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	return wrapError(ctx, "ping MongoDB", s.db.Client().Ping(bounded, readpref.Primary()))
}

// createIndexes creates the indexes that do not exist. It may run in several
// processes at the same time.
func (s *collections) createIndexes(ctx context.Context) error {
	if err := s.ping(ctx); err != nil {
		return err
	}
	for _, i := range []struct {
		of     collection
		unique bool
		keys   []string // "-" before one in descending order
	}{
		{s.users, true, []string{"name"}},
		{s.sessions, false, []string{"expires"}},
		{s.invitations, false, []string{"expires"}},
		{s.tokens, true, []string{"user", "name"}},
		{s.tokens, false, []string{"expires"}},
		{s.deliveries, false, []string{"pending", "due", "_id"}},
		{s.deliveries, false, []string{"user", "-created", "-_id"}},
		{s.deliveries, false, []string{"created"}},
		{s.jobs, false, []string{"owner", "-created", "-_id"}},
		{s.jobs, false, []string{"-created", "-_id"}},
		{s.jobs, false, []string{"unsettled", "created", "_id"}},
		{s.jobs, false, []string{"state", "owner", "not_before", "created", "_id"}},
		{s.jobs, false, []string{"owner", "sources.identity"}},
		{s.conversions, false, []string{"owner", "identity"}},
		{s.conversions, false, []string{"owner", "-recorded", "-_id"}},
		{s.videos.files, false, []string{"filename", "uploadDate"}},
		{s.videos.chunks, true, []string{"files_id", "n"}},
		{s.trackBucket.files, false, []string{"filename", "uploadDate"}},
		{s.trackBucket.chunks, true, []string{"files_id", "n"}},
	} {
		if err := i.of.index(ctx, i.unique, i.keys...); err != nil {
			return err
		}
	}
	return nil
}
