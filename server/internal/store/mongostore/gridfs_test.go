package mongostore_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// TestAnyGridFSClientReads reads complete files with the driver's own GridFS, which
// does not depend on this store.
func TestAnyGridFSClientReads(t *testing.T) {
	t.Parallel()
	s, db := fresh(t, mongodb.Start(t))
	for i, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize, 5*chunkSize + 7} {
		id, data := fmt.Sprint("v", i), content(byte(i), size)
		check(t, s.Videos.Create(t.Context(), id, "talk.mp4", int64(size)))
		for at := 0; at < size; { // in several Appends, at arbitrary offsets
			n := min(size-at, 100_003)
			stored, err := s.Videos.Append(t.Context(), id, int64(at), bytes.NewReader(data[at:at+n]))
			check(t, err)
			at += int(stored)
		}
		if _, err := download(t, db, "videos", id); err == nil {
			t.Errorf("%d bytes: a GridFS client reads the video before it is complete", size)
		}
		checkVideo(t, s, id, data)
		got, err := download(t, db, "videos", id)
		check(t, err)
		if !bytes.Equal(got, data) {
			t.Errorf("%d bytes: a GridFS client reads different bytes", size)
		}

		track := id + "-1"
		head := store.Head{Size: size / 3, Bytes: func() ([]byte, error) { return data[:size/3], nil }}
		_, err = s.Tracks.Put(t.Context(), track, "talk.mp3", head, bytes.NewReader(data[size/3:]))
		check(t, err)
		if got, err = download(t, db, "tracks", track); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: a GridFS client reads a different track, %v", size, err)
		}
	}
	var file struct {
		Name     string `bson:"filename"`
		Metadata struct {
			SHA256 string `bson:"sha256"`
		} `bson:"metadata"`
	}
	check(t, db.Collection("videos.files").FindOne(t.Context(), bson.D{{Key: "_id", Value: "v6"}}).Decode(&file))
	if file.Name != "talk.mp4" || file.Metadata.SHA256 != sum(content(6, 5*chunkSize+7)) {
		t.Errorf("the files document is %+v", file)
	}
}

func download(t *testing.T, db *mongo.Database, bucket, id string) ([]byte, error) {
	t.Helper()
	stream, err := db.GridFSBucket(options.GridFSBucket().SetName(bucket)).OpenDownloadStream(t.Context(), id)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(stream)
	check(t, stream.Close())
	return data, err
}

// TestRangesReadOnlyTheirChunks counts the chunks that are fetched for ranges.
func TestRangesReadOnlyTheirChunks(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	r := newProxy(t, server.URI)
	s := open(t, r.uri, server.Database(t).Name())
	defer func() { check(t, s.Close()) }()
	data := content(1, 8*chunkSize)
	check(t, s.Videos.Create(t.Context(), "v1", "talk.mp4", int64(len(data))))
	_, err := s.Videos.Append(t.Context(), "v1", 0, bytes.NewReader(data))
	check(t, err)
	_, err = s.Videos.Complete(t.Context(), "v1")
	check(t, err)

	const find = "find videos.chunks"
	for _, c := range []struct {
		name         string
		offset, size int
		fewest, most int
	}{
		{"a few bytes", 5*chunkSize + 10, 10, 1, 1},
		{"the end", 8*chunkSize - 1, 1, 1, 1},
		{"a whole chunk", 2 * chunkSize, chunkSize, 1, 1},
		{"all", 0, 8 * chunkSize, 8, 8},
		{"across a boundary", 3*chunkSize - 5, 10, 2, 4},
	} {
		before := r.count(find)
		b, err := s.Videos.Open(t.Context(), "v1")
		check(t, err)
		_, err = b.Seek(int64(c.offset), io.SeekStart)
		check(t, err)
		got := make([]byte, c.size)
		_, err = io.ReadFull(b, got)
		check(t, err)
		check(t, b.Close())
		if !bytes.Equal(got, data[c.offset:c.offset+c.size]) {
			t.Errorf("%s: different bytes", c.name)
		}
		if n := r.count(find) - before; n < c.fewest || n > c.most {
			t.Errorf("%s: %d chunks were fetched, want %d to %d", c.name, n, c.fewest, c.most)
		}
	}
}

// TestDamage modifies stored chunks: the store must not return different bytes than
// were stored.
func TestDamage(t *testing.T) {
	t.Parallel()
	s, db := fresh(t, mongodb.Start(t))
	chunks := db.Collection("videos.chunks")
	data := content(2, 2*chunkSize+10)
	for name, damage := range map[string]func(id string){
		"missing": func(id string) {
			_, err := chunks.DeleteOne(t.Context(), bson.D{{Key: "files_id", Value: id}, {Key: "n", Value: 1}})
			check(t, err)
		},
		"short": func(id string) {
			_, err := chunks.UpdateOne(t.Context(), bson.D{{Key: "files_id", Value: id}, {Key: "n", Value: 1}},
				bson.D{{Key: "$set", Value: bson.D{{Key: "data", Value: data[:100]}}}})
			check(t, err)
		},
	} {
		check(t, s.Videos.Create(t.Context(), name, "talk.mp4", int64(len(data))))
		_, err := s.Videos.Append(t.Context(), name, 0, bytes.NewReader(data))
		check(t, err)
		_, err = s.Videos.Complete(t.Context(), name)
		check(t, err)
		damage(name)
		b, err := s.Videos.Open(t.Context(), name)
		check(t, err)
		got, err := io.ReadAll(b)
		if err == nil || len(got) != chunkSize {
			t.Errorf("%s: %d bytes were read, %v; want the first chunk and an error", name, len(got), err)
		}
		check(t, b.Close())
	}
}
