package mongostore_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/soundextract/sx/server/testkit/mongodb"
)

const benchSize = 64 << 20

// BenchmarkUpload uploads each file twice, by this package and by the driver's own GridFS,
// which neither computes a digest nor can continue. It reports the medians of both in
// MB/s, of the ratio of their times, of that without the check for free space in Create (the
// stand-in reads its whole database for it), of the CPU seconds of this process, and how many
// commands each needs.
func BenchmarkUpload(b *testing.B) {
	server := mongodb.Start(b)
	db := server.Database(b)
	var commands atomic.Int64
	s := openWith(b, server.URI, db.Name(), time.Now, &event.CommandMonitor{
		Started: func(context.Context, *event.CommandStartedEvent) { commands.Add(1) },
	})
	defer func() { check(b, s.Close()) }()
	data := content(20, benchSize)
	var creating time.Duration
	ours := func(i int) {
		id, start := fmt.Sprint("v", i), time.Now()
		check(b, s.Videos.Create(b.Context(), id, "talk.mp4", benchSize))
		creating = time.Since(start)
		_, err := s.Videos.Append(b.Context(), id, 0, bytes.NewReader(data))
		check(b, err)
		_, err = s.Videos.Complete(b.Context(), id)
		check(b, err)
	}
	drivers := func(int) {
		_, err := db.GridFSBucket(options.GridFSBucket().SetName("videos"), options.GridFSBucket().SetWriteConcern(writeconcern.Majority())).
			UploadFromStream(b.Context(), "talk.mp4", bytes.NewReader(data))
		check(b, err)
	}
	var times, cpu [2][]float64
	var ratios, stored []float64
	for i := range b.N {
		both := []func(int){ours, drivers}
		for k := range both {
			side := (i + k) % 2 // each goes first in turn
			start, before := time.Now(), cpuTime(b)
			both[side](i)
			times[side] = append(times[side], time.Since(start).Seconds())
			cpu[side] = append(cpu[side], cpuTime(b)-before)
		}
		ratios = append(ratios, times[0][i]/times[1][i])
		stored = append(stored, (times[0][i]-creating.Seconds())/times[1][i])
	}
	b.ReportMetric(benchSize/1e6/median(times[0]), "MB/s")
	b.ReportMetric(benchSize/1e6/median(times[1]), "driver-MB/s")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(stored), "without-create-ratio")
	b.ReportMetric(median(cpu[0]), "cpu-s")
	b.ReportMetric(median(cpu[1]), "driver-cpu-s")
	b.ReportMetric(float64(commands.Load())/float64(b.N), "commands/op")
}

// cpuTime returns the CPU seconds of this process, without those of the server.
func cpuTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
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
