package mongostore_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/testkit/mongodb"
)

const benchSize = 32 << 20

// BenchmarkAppend compares with BenchmarkDriverInsert: the same chunks, inserted by
// the driver one after the other, without digest or resumption.
func BenchmarkAppend(b *testing.B) {
	s, _ := fresh(b, mongodb.Start(b))
	data := content(20, benchSize)
	b.SetBytes(benchSize)
	b.ResetTimer()
	for i := range b.N {
		id := fmt.Sprint("v", i)
		check(b, s.Videos.Create(b.Context(), id, "talk.mp4", benchSize))
		_, err := s.Videos.Append(b.Context(), id, 0, bytes.NewReader(data))
		check(b, err)
	}
}

func BenchmarkDriverInsert(b *testing.B) {
	_, db := fresh(b, mongodb.Start(b))
	data := content(20, benchSize)
	b.SetBytes(benchSize)
	b.ResetTimer()
	for i := range b.N {
		insertPlain(b, db.Collection("videos.chunks"), fmt.Sprint("v", i), data)
	}
}

func insertPlain(b *testing.B, chunks *mongo.Collection, file string, data []byte) (ids []bson.ObjectID) {
	b.Helper()
	for n := 0; len(data) > 0; n++ {
		k := min(chunkSize, len(data))
		ids = append(ids, bson.NewObjectID())
		_, err := chunks.InsertOne(b.Context(), bson.D{
			{Key: "_id", Value: ids[n]}, {Key: "files_id", Value: file}, {Key: "n", Value: int32(n)}, {Key: "data", Value: data[:k]},
		})
		check(b, err)
		data = data[k:]
	}
	return ids
}

// BenchmarkDriverUpload measures the driver's own GridFS.
func BenchmarkDriverUpload(b *testing.B) {
	_, db := fresh(b, mongodb.Start(b))
	data := content(20, benchSize)
	b.SetBytes(benchSize)
	b.ResetTimer()
	for range b.N {
		_, err := db.GridFSBucket(options.GridFSBucket().SetName("videos")).
			UploadFromStream(b.Context(), "talk.mp4", bytes.NewReader(data))
		check(b, err)
	}
}

// BenchmarkRead compares with BenchmarkDriverFind: the same chunks, found one after
// the other by their _ids.
func BenchmarkRead(b *testing.B) {
	s, _ := fresh(b, mongodb.Start(b))
	check(b, s.Videos.Create(b.Context(), "v1", "talk.mp4", benchSize))
	_, err := s.Videos.Append(b.Context(), "v1", 0, bytes.NewReader(content(20, benchSize)))
	check(b, err)
	_, err = s.Videos.Complete(b.Context(), "v1")
	check(b, err)
	b.SetBytes(benchSize)
	b.ResetTimer()
	for range b.N {
		blob, err := s.Videos.Open(b.Context(), "v1")
		check(b, err)
		_, err = io.Copy(io.Discard, blob)
		check(b, err)
		check(b, blob.Close())
	}
}

func BenchmarkDriverFind(b *testing.B) {
	_, db := fresh(b, mongodb.Start(b))
	chunks := db.Collection("videos.chunks")
	ids := insertPlain(b, chunks, "v1", content(20, benchSize))
	b.SetBytes(benchSize)
	b.ResetTimer()
	for range b.N {
		for _, id := range ids {
			_, err := chunks.FindOne(b.Context(), bson.D{{Key: "_id", Value: id}}).Raw()
			check(b, err)
		}
	}
}
