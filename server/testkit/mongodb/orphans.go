package mongodb

import (
	"math"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Orphans counts the chunks in a store's database that belong neither to a
// finished GridFS file, within its length, nor to an upload that may still
// become one.
func Orphans(tb testing.TB, db *mongo.Database) int {
	tb.Helper()
	orphans := 0
	for _, bucket := range []string{"videos", "tracks"} {
		known := map[string]int64{} // the number of chunks that each file may have
		for _, f := range find[file](tb, db.Collection(bucket+".files"), bson.D{}, "length", "chunkSize") {
			known[f.ID] = (f.Length + f.ChunkSize - 1) / f.ChunkSize
		}
		if bucket == "videos" {
			never := bson.D{{Key: "removed", Value: time.Time{}}}
			for _, u := range find[file](tb, db.Collection("uploads"), never, "_id") {
				if _, finished := known[u.ID]; !finished {
					known[u.ID] = math.MaxInt64
				}
			}
		}
		for _, c := range find[chunk](tb, db.Collection(bucket+".chunks"), bson.D{}, "files_id", "n") {
			if c.N >= known[c.File] {
				orphans++
			}
		}
	}
	return orphans
}

type file struct {
	ID        string `bson:"_id"`
	Length    int64  `bson:"length"`
	ChunkSize int64  `bson:"chunkSize"`
}

type chunk struct {
	File string `bson:"files_id"`
	N    int64  `bson:"n"`
}

// find returns some fields of the documents that match.
func find[T any](tb testing.TB, c *mongo.Collection, filter bson.D, fields ...string) []T {
	tb.Helper()
	var projection bson.D
	for _, f := range fields {
		projection = append(projection, bson.E{Key: f, Value: 1})
	}
	cursor, err := c.Find(tb.Context(), filter, options.Find().SetProjection(projection).SetBatchSize(batch))
	var found []T
	if err == nil {
		err = cursor.All(tb.Context(), &found)
	}
	if err != nil {
		tb.Fatalf("reading %s: %v", c.Name(), err)
	}
	return found
}

// batch keeps a reply small even if the server applies the projection last.
const batch = 100
