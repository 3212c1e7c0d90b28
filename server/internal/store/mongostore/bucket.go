package mongostore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// chunkSize is the default of GridFS, which other tools expect. Larger chunks were
// not faster, and use more memory for each upload and reader.
const chunkSize = 255 << 10

// bucket is a GridFS bucket.
type bucket struct {
	files, chunks collection
	deleter       *deleter
}

func newBucket(files, chunks collection) bucket {
	return bucket{files: files, chunks: chunks, deleter: newDeleter()}
}

// fileDoc is a document of the files collection, as defined in the GridFS
// specification. It is stored last: a file that has one is complete.
type fileDoc struct {
	ID        string       `bson:"_id"`
	Length    int64        `bson:"length"`
	ChunkSize int32        `bson:"chunkSize"`
	Uploaded  time.Time    `bson:"uploadDate"`
	Name      string       `bson:"filename"`
	Metadata  fileMetadata `bson:"metadata"`
}

type fileMetadata struct {
	SHA256 string `bson:"sha256"`
	Track  string `bson:"track,omitempty"` // the track's ID in the port
}

// chunkDoc is a document of the chunks collection, as defined there.
type chunkDoc struct {
	ID   bson.ObjectID `bson:"_id"`
	File string        `bson:"files_id"`
	N    int32         `bson:"n"`
	Data []byte        `bson:"data"`
}

// chunkID returns the _id of a chunk. It is derived from the file, the epoch and
// the chunk's number, so that a chunk can be read, inserted again and deleted
// without a search.
func chunkID(file string, epoch, n int) bson.ObjectID {
	key := binary.BigEndian.AppendUint32(nil, uint32(epoch))
	key = binary.BigEndian.AppendUint32(key, uint32(n))
	sum := sha256.Sum256(append(key, file...))
	return bson.ObjectID(sum[:len(bson.ObjectID{})])
}

// chunkCount returns how many chunks that many bytes need.
func chunkCount(size int64, chunkSize int) int {
	return int((size + int64(chunkSize) - 1) / int64(chunkSize))
}

// insert stores chunks, and returns those whose place in the file is occupied.
func (b bucket) insert(ctx context.Context, chunks []chunkDoc) (occupied []chunkDoc, err error) {
	err = b.chunks.do(ctx, "insert into", func(ctx context.Context) error {
		_, err := b.chunks.c.InsertMany(ctx, chunks, options.InsertMany().SetOrdered(false))
		var several mongo.BulkWriteException
		if !errors.As(err, &several) || several.WriteConcernError != nil {
			return err
		}
		for _, w := range several.WriteErrors {
			if !mongo.IsDuplicateKeyError(w) {
				return err
			}
			occupied = append(occupied, chunks[w.Index])
		}
		return nil
	})
	return occupied, err
}

// read returns the data of a chunk, which must exist and have the given size.
func (b bucket) read(ctx context.Context, file string, epoch, n, size int) ([]byte, error) {
	d, err := get[chunkDoc](ctx, b.chunks, chunkID(file, epoch, n))
	switch {
	case errors.Is(err, errNotFound):
		return nil, fmt.Errorf("chunk %d of %s is missing from %s", n, file, b.chunks.c.Name())
	case err != nil:
		return nil, err
	case d.File != file || int(d.N) != n || len(d.Data) != size:
		return nil, fmt.Errorf("chunk %d of %s is damaged: found number %d of %s with %d bytes, want %d",
			n, file, d.N, d.File, len(d.Data), size)
	}
	return d.Data, nil
}

// delete deletes those of the chunks that exist.
func (b bucket) delete(ctx context.Context, ids iter.Seq[bson.ObjectID]) error {
	return b.deleter.run(ctx, ids, func(ctx context.Context, batch []bson.ObjectID) error {
		return b.chunks.do(ctx, "delete from", func(ctx context.Context) error {
			// By _id alone and in one condition: every server uses its index for that, or
			// reads the collection only once.
			_, err := b.chunks.c.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: batch}}}})
			return err
		})
	})
}

// insertFile stores the files document. It succeeds if the document already
// exists.
func (b bucket) insertFile(ctx context.Context, d fileDoc) error {
	if err := b.files.insert(ctx, d); err != nil && !errors.Is(err, errExists) {
		return err
	}
	return nil
}

// deleteFile deletes the files document, so that GridFS clients no longer see the
// file.
func (b bucket) deleteFile(ctx context.Context, file string) error {
	return b.files.deleteID(ctx, file)
}

// minFree is what checkSpace leaves free in any case: MongoDB stops when its disk is
// full.
const minFree = 256 << 20

// checkSpace returns an *sx.Error of code storage_full if the server's disk has no
// space for size bytes.
func (b bucket) checkSpace(ctx context.Context, size int64) error {
	disk, err := b.space(ctx)
	if err == nil && disk.Total > 0 && size > disk.Free-minFree {
		err = sx.NewError(sx.CodeStorageFull, "not enough disk space on the server for %s: %s is free",
			sx.FormatSize(size), sx.FormatSize(disk.Free))
	}
	return err
}

// space returns the space of the server's disk. What was deleted counts as free: MongoDB
// stores new documents there before its files grow. A service that does not report its
// disk has a Total of 0.
func (b bucket) space(ctx context.Context) (store.Space, error) {
	var disk struct {
		Total    float64 `bson:"fsTotalSize"`
		Used     float64 `bson:"fsUsedSize"`
		Reusable float64 `bson:"freeStorageSize"`
	}
	err := b.files.do(ctx, "determine the free disk space of", func(ctx context.Context) error {
		raw, err := b.files.c.Database().RunCommand(ctx, bson.D{{Key: "dbStats", Value: 1}, {Key: "freeStorage", Value: 1}}).Raw()
		if err != nil {
			return err
		}
		return decode(b.files, raw, &disk)
	})
	if err != nil || disk.Total == 0 {
		return store.Space{}, err
	}
	return store.Space{Total: int64(disk.Total), Free: int64(disk.Total - disk.Used + disk.Reusable)}, nil
}
