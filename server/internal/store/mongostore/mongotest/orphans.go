package mongotest

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Orphans counts the chunks in a store's database that belong neither to a
// finished GridFS file nor to an upload that may still become one.
func Orphans(tb testing.TB, db *mongo.Database) int {
	tb.Helper()
	orphans := 0
	for _, bucket := range []string{"videos", "tracks"} {
		known := map[string]bool{}
		for _, f := range ids(tb, db.Collection(bucket+".files"), bson.D{}, "_id") {
			known[f] = true
		}
		if bucket == "videos" {
			never := bson.D{{Key: "removed", Value: time.Time{}}}
			for _, u := range ids(tb, db.Collection("uploads"), never, "_id") {
				known[u] = true
			}
		}
		for _, f := range ids(tb, db.Collection(bucket+".chunks"), bson.D{}, "files_id") {
			if !known[f] {
				orphans++
			}
		}
	}
	return orphans
}

// ids gives one field of the documents that match.
func ids(tb testing.TB, c *mongo.Collection, filter bson.D, field string) []string {
	tb.Helper()
	cursor, err := c.Find(tb.Context(), filter, options.Find().SetProjection(bson.D{{Key: field, Value: 1}}))
	var found []bson.Raw
	if err == nil {
		err = cursor.All(tb.Context(), &found)
	}
	if err != nil {
		tb.Fatalf("reading %s: %v", c.Name(), err)
	}
	values := make([]string, len(found))
	for i, d := range found {
		values[i] = d.Lookup(field).StringValue()
	}
	return values
}
