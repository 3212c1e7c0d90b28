package mongostore_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/internal/store/storetest"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// rolesFile has the roles that the chart gives to its services: the actions of each on
// each collection; "" is the database itself.
const rolesFile = "../../../../charts/soundextract/charts/mongodb/files/roles.json"

type roles map[string]map[string][]string

func readRoles(t *testing.T) roles {
	t.Helper()
	raw, err := os.ReadFile(rolesFile)
	if err != nil {
		t.Fatal(err)
	}
	var all roles
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

const rolePassword = "password of the service"

// create creates the roles for a database, each with a user of its own.
func (r roles) create(t *testing.T, db *mongo.Database) {
	t.Helper()
	admin := db.Client().Database("admin")
	for service, collections := range r {
		privileges := bson.A{}
		for collection, actions := range collections {
			privileges = append(privileges, bson.D{
				{Key: "resource", Value: bson.D{{Key: "db", Value: db.Name()}, {Key: "collection", Value: collection}}},
				{Key: "actions", Value: actions},
			})
		}
		name := userOf(service, db.Name())
		check(t, admin.RunCommand(t.Context(), bson.D{{Key: "createRole", Value: name}, {Key: "privileges", Value: privileges}, {Key: "roles", Value: bson.A{}}}).Err())
		check(t, admin.RunCommand(t.Context(), bson.D{
			{Key: "createUser", Value: name},
			{Key: "pwd", Value: rolePassword},
			{Key: "roles", Value: bson.A{bson.D{{Key: "role", Value: name}, {Key: "db", Value: "admin"}}}},
		}).Err())
	}
}

func userOf(service, database string) string { return service + "-" + database }

// openService opens the store as one of the services.
func openService(t *testing.T, server *mongodb.Server, service, database string) store.Store {
	t.Helper()
	s, err := mongostore.Open(t.Context(), mongostore.Config{
		URI: server.As(userOf(service, database), rolePassword), Database: database, Service: service,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatalf("Open as %s: %v (%v)", service, err, errors.Unwrap(err))
	}
	return s
}

// TestRoles runs the suite with the stores of four services, each with its own role: the
// ports that a service uses are taken from its own store.
func TestRoles(t *testing.T) {
	server := mongodb.StartSecured(t)
	all := readRoles(t)
	storetest.Run(t, func(t *testing.T) func() store.Store {
		db := server.Database(t)
		all.create(t, db)
		return func() store.Store {
			stores := map[string]store.Store{}
			for service := range all {
				stores[service] = openService(t, server, service, db.Name())
			}
			s := stores["auth"]
			gateway, converter, notifier := stores["gateway"], stores["converter"], stores["notifier"]
			s.NotificationSettings, s.Deliveries, s.Counters = notifier.NotificationSettings, notifier.Deliveries, notifier.Counters
			s.Jobs, s.Videos, s.Conversions = gateway.Jobs, gateway.Videos, gateway.Conversions
			s.IdempotencyKeys, s.Feeds = gateway.IdempotencyKeys, gateway.Feeds
			s.Tracks, s.Tasks = converter.Tracks, converter.Tasks
			s.Close = func() error {
				var errs []error
				for _, one := range stores {
					errs = append(errs, one.Close())
				}
				return errors.Join(errs...)
			}
			return s
		}
	})
}

// TestRolesOfWorkers checks what the converter and the notifier do with the records that
// the gateway creates.
func TestRolesOfWorkers(t *testing.T) {
	server := mongodb.StartSecured(t)
	db := server.Database(t)
	readRoles(t).create(t, db)
	gateway := openService(t, server, "gateway", db.Name())
	t.Cleanup(func() { check(t, gateway.Close()) })
	video := content(1, 3*chunkSize)
	check(t, gateway.Videos.Create(t.Context(), "video", "video.mkv", int64(len(video))))
	_, err := gateway.Videos.Append(t.Context(), "video", 0, strings.NewReader(string(video)))
	check(t, err)
	_, err = gateway.Videos.Complete(t.Context(), "video")
	check(t, err)
	now := time.Now()
	for _, service := range []string{"converter", "notifier"} {
		s := openService(t, server, service, db.Name())
		t.Cleanup(func() { check(t, s.Close()) })
		job := sx.NewJob("ada", sx.NewUpload{Size: 1}, now)
		check(t, gateway.Jobs.Create(t.Context(), job))
		stored, err := s.Jobs.Get(t.Context(), job.ID)
		check(t, err)
		check(t, s.Jobs.Replace(t.Context(), stored))
		check(t, s.Ping(t.Context()))
	}
	auth := openService(t, server, "auth", db.Name())
	t.Cleanup(func() { check(t, auth.Close()) })
	check(t, auth.Erasures.Create(t.Context(), sx.Erasure{UserID: "ada", Step: sx.EraseJobs}))
	notifier := openService(t, server, "notifier", db.Name())
	t.Cleanup(func() { check(t, notifier.Close()) })
	for _, s := range []store.Store{gateway, notifier} { // they erase
		list, err := s.Erasures.Due(t.Context(), sx.EraseJobs, now, 1)
		check(t, err)
		if len(list) != 1 {
			t.Fatalf("due erasures %+v", list)
		}
		check(t, s.Erasures.Replace(t.Context(), list[0]))
		task, err := s.Tasks.Get(t.Context(), "erase")
		check(t, err)
		check(t, s.Tasks.Replace(t.Context(), task))
	}
	check(t, auth.Erasures.Delete(t.Context(), "ada"))
	converter := openService(t, server, "converter", db.Name())
	t.Cleanup(func() { check(t, converter.Close()) })
	blob, err := converter.Videos.Open(t.Context(), "video")
	check(t, err)
	check(t, blob.Close())
}

// TestRolesRefuse checks that each service is denied what it does not need.
func TestRolesRefuse(t *testing.T) {
	server := mongodb.StartSecured(t)
	db := server.Database(t)
	all := readRoles(t)
	all.create(t, db)
	collections := map[string]bool{}
	for _, of := range all {
		for name := range of {
			if name != "" {
				collections[name] = true
			}
		}
	}
	for service, granted := range all {
		client, err := mongo.Connect(options.Client().ApplyURI(server.As(userOf(service, db.Name()), rolePassword)))
		check(t, err)
		t.Cleanup(func() { check(t, client.Disconnect(t.Context())) })
		own := client.Database(db.Name())
		for name := range collections {
			for action, run := range map[string]func(c *mongo.Collection) error{
				"find": func(c *mongo.Collection) error { return c.FindOne(t.Context(), bson.D{{Key: "_id", Value: "x"}}).Err() },
				"insert": func(c *mongo.Collection) error {
					_, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: "x"}})
					return err
				},
				"update": func(c *mongo.Collection) error {
					_, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "x"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: 1}}}})
					return err
				},
				"remove": func(c *mongo.Collection) error {
					_, err := c.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: "x"}})
					return err
				},
			} {
				allowed := slices.Contains(granted[name], action)
				if denied := isDenied(run(own.Collection(name))); denied == allowed {
					t.Errorf("%s: %s on %s is denied: %v, want %v", service, action, name, denied, !allowed)
				}
			}
		}
		for what, err := range map[string]error{
			"read another database": client.Database("other").Collection("users").FindOne(t.Context(), bson.D{}).Err(),
			"drop the database":     own.Drop(t.Context()),
			"drop a collection":     own.Collection("jobs").Drop(t.Context()),
			"list the users":        client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "usersInfo", Value: 1}}).Err(),
			"create a user": client.Database("admin").RunCommand(t.Context(), bson.D{
				{Key: "createUser", Value: "mine"}, {Key: "pwd", Value: "x"}, {Key: "roles", Value: bson.A{"root"}},
			}).Err(),
			"become root": client.Database("admin").RunCommand(t.Context(), bson.D{
				{Key: "grantRolesToUser", Value: userOf(service, db.Name())}, {Key: "roles", Value: bson.A{"root"}},
			}).Err(),
		} {
			if !isDenied(err) {
				t.Errorf("%s may %s: %v", service, what, err)
			}
		}
	}
}

func isDenied(err error) bool {
	const unauthorized = 13
	var s mongo.ServerError
	return errors.As(err, &s) && s.HasErrorCode(unauthorized)
}
