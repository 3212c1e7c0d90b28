// Command gridfs accesses a stack's MongoDB directly, for the benchmarks:
//
//	gridfs URI DATABASE write FILE   stores a file with the driver's own GridFS
//	gridfs URI DATABASE drop         drops the database
//	gridfs URI DATABASE stored       prints the id of each video that is not removed,
//	                                 and when its last byte was stored
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := act(ctx, os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

func act(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: gridfs URI DATABASE {write FILE | drop | stored}")
	}
	client, err := mongo.Connect(options.Client().ApplyURI(args[0]).SetWriteConcern(writeconcern.Majority()))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	db := client.Database(args[1])
	switch {
	case args[2] == "write" && len(args) == 4:
		return write(ctx, db, args[3])
	case args[2] == "drop":
		return db.Drop(ctx)
	case args[2] == "stored":
		return stored(ctx, db)
	default:
		return fmt.Errorf("unknown command %q", args[2:])
	}
}

func write(ctx context.Context, db *mongo.Database, path string) error {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = db.GridFSBucket().UploadFromStream(ctx, filepath.Base(path), f)
	return err
}

// stored reads the store's records of the uploads, which contain the time of
// the last Append.
func stored(ctx context.Context, db *mongo.Database) error {
	cursor, err := db.Collection("uploads").Find(ctx, bson.D{{Key: "removed", Value: time.Time{}}})
	if err != nil {
		return err
	}
	var uploads []struct {
		ID      string    `bson:"_id"`
		Updated time.Time `bson:"updated"`
	}
	if err := cursor.All(ctx, &uploads); err != nil {
		return err
	}
	for _, u := range uploads {
		_, _ = fmt.Fprintln(os.Stdout, u.ID, u.Updated.UTC().Format(time.RFC3339Nano))
	}
	return nil
}
