package mongostore

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"golang.org/x/sync/semaphore"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/format"
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
	// Service is the service that opens the store. It may create only the indexes of
	// the collections that it owns; "" owns all of them.
	Service string
	// TLS returns the configuration of a connection to the named host, if the URI
	// requires TLS. nil leaves TLS to the options of the URI.
	TLS func(host string) (*tls.Config, error)
	Log *slog.Logger
	Now func() time.Time
	// Format and Release are this release's, except in tests of formats.
	Format  format.Format
	Release string
	// Commands is called with each command; nil for none.
	Commands *event.CommandMonitor
}

// Open connects, checks the format of the documents, announces the process and creates
// the indexes. A wrong setting, such as a malformed URI or credentials that MongoDB
// rejects, is an *sx.Error of code invalid that names the setting. A database in a format
// that the release cannot read is one of code stored_format. After any other error, such as
// one of code unavailable or storage_full, Open may be called again. ctx applies to Open
// only.
func Open(ctx context.Context, cfg Config) (store.Store, error) {
	o := options.Client().SetAppName("soundextract").ApplyURI(cfg.URI).
		SetServerSelectionTimeout(selectionTimeout).SetConnectTimeout(selectionTimeout).
		SetReadPreference(readpref.Primary()).SetWriteConcern(writeconcern.Majority()).
		SetServerMonitor(newMonitor(context.WithoutCancel(ctx), cfg.Log)).SetMonitor(cfg.Commands)
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
	if cfg.TLS != nil && o.TLSConfig != nil {
		// The driver would keep using the certificate authority that it read first.
		o.SetTLSConfig(nil).SetDialer(tlsDialer{cfg.TLS})
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
	replica, s, err := prepare(ctx, cfg, client.Database(cfg.Database))
	if err != nil {
		_ = disconnect() // nothing to lose, and err matters more
		return store.Store{}, accessError(cfg, err)
	}
	return store.Store{
		Users:                &users{s.users},
		Sessions:             &sessions{s.sessions},
		Invitations:          &invitations{s.invitations},
		PersonalTokens:       &personalTokens{s.tokens},
		Audit:                &audit{s.audit},
		NotificationSettings: &notificationSettings{s.notificationSettings},
		Deliveries:           &deliveries{s.deliveries},
		Jobs:                 &jobs{c: s.jobs, owners: owners{c: s.owners, now: cfg.Now}, log: cfg.Log},
		Videos:               &videos{uploads: s.uploads, bucket: s.videos, now: cfg.Now, extra: semaphore.NewWeighted(extraBuffers)},
		Tracks:               &tracks{records: s.tracks, bucket: s.trackBucket, now: cfg.Now},
		Conversions:          &conversions{s.conversions},
		IdempotencyKeys:      &idempotencyKeys{s.idempotencyKeys},
		Feeds:                &feeds{s.feeds},
		Bindings:             &bindings{s.bindings},
		Tasks:                &tasks{s.tasks},
		Space:                s.videos.space,
		Limits:               &limits{s.limits},
		Erasures:             &erasures{s.erasures},
		Format:               replica,
		Counters:             &counters{s.counters},
		Dump:                 &dump{s},
		Ping:                 s.ping,
		Close: func() error {
			replica.Close()
			return disconnect()
		},
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
		return sx.NewError(sx.CodeInvalid, "MongoDB rejected the user's name or password").
			WithHint("check them and authSource in the setting mongodb-uri, or the settings mongodb-username and mongodb-password").WithCause(err)
	case hasCode(err, codeMechanismUnavailable):
		return sx.NewError(sx.CodeInvalid, "MongoDB does not offer the authMechanism of the setting mongodb-uri").
			WithHint("remove authMechanism from it, or use one that the server has enabled").WithCause(err)
	case hasCode(err, codeUnauthorized):
		return sx.NewError(sx.CodeInvalid, "the user is not authorized for the database %s", cfg.Database).
			WithHint("grant the user the privileges of its service: see docs/install.md").WithCause(err)
	default:
		return err
	}
}

// collections are those that doc.go describes.
type collections struct {
	db                                   *mongo.Database
	users, sessions, invitations, tokens collection
	audit                                collection
	notificationSettings, deliveries     collection
	jobs, owners, uploads, tracks        collection
	conversions, tasks, limits, erasures collection
	counters, idempotencyKeys, feeds     collection
	bindings                             collection
	videos, trackBucket                  bucket
}

// newStore returns the collections, with documents in the formats of the replica.
func newStore(db *mongo.Database, replica *format.Replica) *collections {
	of := func(name string) collection { return collection{db.Collection(name), replica} }
	gridFS := func(name string) bucket {
		return newBucket(collection{c: db.Collection(name + ".files")}, collection{c: db.Collection(name + ".chunks")})
	}
	return &collections{
		db:    db,
		users: of("users"), sessions: of("sessions"), invitations: of("invitations"), tokens: of("personal_tokens"),
		audit:                of("audit"),
		notificationSettings: of("notification_settings"), deliveries: of("deliveries"),
		jobs: of("jobs"), owners: of("owners"), uploads: of("uploads"), tracks: of("tracks"),
		conversions: of("conversions"), tasks: of("tasks"), limits: of("limits"), erasures: of("erasures"),
		counters: of("counters"), idempotencyKeys: of("idempotency_keys"), feeds: of("feeds"),
		bindings: of("bindings"),
		videos:   gridFS("videos"), trackBucket: gridFS("tracks"),
	}
}

func ping(ctx context.Context, db *mongo.Database) error {
	bounded, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	return wrapError(ctx, "ping MongoDB", db.Client().Ping(bounded, readpref.Primary()))
}

func (s *collections) ping(ctx context.Context) error { return ping(ctx, s.db) }

// prepare announces the process, which fails before it has changed anything if the
// release cannot read the documents, and creates the indexes.
func prepare(ctx context.Context, cfg Config, db *mongo.Database) (*format.Replica, *collections, error) {
	if err := ping(ctx, db); err != nil {
		return nil, nil, err
	}
	replica, err := format.Join(ctx, format.Config{
		Records: formatRecords{collection{c: db.Collection("format")}},
		Format:  cfg.Format, Release: cfg.Release, Program: cfg.Service, Where: "the database " + cfg.Database,
		Log: cfg.Log, Now: cfg.Now,
	})
	if err != nil {
		return nil, nil, err
	}
	s := newStore(db, replica)
	if err := s.createIndexes(ctx, cfg.Service); err != nil {
		replica.Close()
		return nil, nil, err
	}
	return replica, s, nil
}

// createIndexes creates the indexes that do not exist, of the collections that the
// service owns. It may run in several processes at the same time.
func (s *collections) createIndexes(ctx context.Context, service string) error {
	for _, i := range s.indexes() {
		if service != "" && service != owner(i.of.c.Name()) {
			continue
		}
		if err := i.of.index(ctx, i.unique, i.keys...); err != nil {
			return err
		}
	}
	return nil
}

// owner returns the service that creates the first documents of a collection.
func owner(collection string) string {
	switch collection {
	case "users", "sessions", "invitations", "personal_tokens", "audit", "erasures":
		return "auth"
	case "notification_settings", "deliveries", "counters":
		return "notifier"
	default:
		return "gateway"
	}
}

// index is one that a query relies on.
type index struct {
	of     collection
	unique bool
	keys   []string // "-" before one in descending order
}

// indexes returns all indexes but those by _id. A test checks that each query of the
// suite has one.
func (s *collections) indexes() []index {
	return []index{
		{s.users, true, []string{"name"}},
		{s.sessions, false, []string{"expires"}},
		{s.sessions, false, []string{"user"}},
		{s.invitations, false, []string{"expires"}},
		{s.invitations, false, []string{"inviter"}},
		{s.tokens, true, []string{"user", "name"}},
		{s.tokens, false, []string{"user", "created", "_id"}},
		{s.tokens, false, []string{"expires"}},
		{s.audit, false, []string{"account", "-_id"}},
		{s.audit, false, []string{"time"}},
		{s.erasures, false, []string{"step", "due", "_id"}},
		{s.deliveries, false, []string{"pending", "due", "_id", "user", "queue", "channel"}},
		{s.deliveries, false, []string{"user", "-created", "-_id"}},
		{s.deliveries, false, []string{"user", "pending", "-created", "-_id"}},
		{s.deliveries, false, []string{"pending", "created"}},
		{s.counters, false, []string{"expires"}},
		{s.jobs, false, []string{"owner", "-created", "-_id"}},
		{s.jobs, false, []string{"-created", "-_id"}},
		{s.jobs, false, []string{"owner", "state", "-created", "-_id"}},
		{s.jobs, false, []string{"action", "due", "_id"}},
		{s.jobs, false, []string{"waiting", "owner", "created", "_id"}},
		{s.jobs, false, []string{"state", "since", "_id"}},
		{s.jobs, false, []string{"state", "-created", "-_id"}},
		{s.jobs, false, []string{"code", "-created", "-_id"}},
		{s.jobs, false, []string{"owner", "sources.identity"}},
		{s.owners, false, []string{"normal", "served", "_id"}},
		{s.owners, false, []string{"low", "served", "_id"}},
		{s.owners, false, []string{"-bytes", "_id"}},
		{s.conversions, false, []string{"owner", "-recorded", "-_id"}},
		{s.idempotencyKeys, false, []string{"owner", "-expires", "-_id"}},
		{s.idempotencyKeys, false, []string{"expires"}},
		{s.videos.files, false, []string{"filename", "uploadDate"}},
		{s.videos.chunks, true, []string{"files_id", "n"}},
		{s.trackBucket.files, false, []string{"filename", "uploadDate"}},
		{s.trackBucket.chunks, true, []string{"files_id", "n"}},
	}
}
