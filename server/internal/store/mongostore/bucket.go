package mongostore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/sx"
)

// chunkSize is GridFS's own default. It is what other tools expect; larger ones
// were not faster, and cost memory with each upload and reader.
const chunkSize = 255 << 10

// bucket is a GridFS bucket.
type bucket struct {
	files, chunks collection
}

// fileDoc is a document of the files collection, as the GridFS specification
// has it. It goes in last: with it a file is complete.
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
	Track  string `bson:"track,omitempty"` // the port's id of a track
}

// chunkDoc is a document of the chunks collection, likewise.
type chunkDoc struct {
	ID   bson.ObjectID `bson:"_id"`
	File string        `bson:"files_id"`
	N    int32         `bson:"n"`
	Data []byte        `bson:"data"`
}

// chunkID is the _id of a chunk: who knows the file, the epoch and the place
// can read, repeat and delete it without a search.
func chunkID(file string, epoch, n int) bson.ObjectID {
	key := binary.BigEndian.AppendUint32(nil, uint32(epoch))
	key = binary.BigEndian.AppendUint32(key, uint32(n))
	sum := sha256.Sum256(append(key, file...))
	return bson.ObjectID(sum[:len(bson.ObjectID{})])
}

// chunkCount is how many chunks hold so many bytes.
func chunkCount(size int64, chunkSize int) int {
	return int((size + int64(chunkSize) - 1) / int64(chunkSize))
}

// insert stores chunks, and gives those whose place in the file is taken.
func (b bucket) insert(ctx context.Context, chunks []chunkDoc) (taken []chunkDoc, err error) {
	err = b.chunks.do(ctx, "inserting into", func(ctx context.Context) error {
		_, err := b.chunks.c.InsertMany(ctx, chunks, options.InsertMany().SetOrdered(false))
		var several mongo.BulkWriteException
		if !errors.As(err, &several) || several.WriteConcernError != nil {
			return err
		}
		for _, w := range several.WriteErrors {
			if !mongo.IsDuplicateKeyError(w) {
				return err
			}
			taken = append(taken, chunks[w.Index])
		}
		return nil
	})
	return taken, err
}

// read gives the data of a chunk that must be there with so many bytes.
func (b bucket) read(ctx context.Context, file string, epoch, n, size int) ([]byte, error) {
	d, err := get[chunkDoc](ctx, b.chunks, chunkID(file, epoch, n))
	switch {
	case errors.Is(err, errNotFound):
		return nil, fmt.Errorf("chunk %d of %s is missing from %s", n, file, b.chunks.c.Name())
	case err != nil:
		return nil, err
	case d.File != file || int(d.N) != n || len(d.Data) != size:
		return nil, fmt.Errorf("chunk %d of %s is damaged: it is number %d of %s with %d bytes, not %d",
			n, file, d.N, d.File, len(d.Data), size)
	}
	return d.Data, nil
}

// deleteBatch is how many deletions one command holds: few enough that a busy
// database has done them within operationTimeout.
const deleteBatch = 100

// delete removes the chunks that are there.
func (b bucket) delete(ctx context.Context, ids iter.Seq[bson.ObjectID]) error {
	var models []mongo.WriteModel
	flush := func() error {
		if len(models) == 0 {
			return nil
		}
		err := b.chunks.do(ctx, "deleting from", func(ctx context.Context) error {
			_, err := b.chunks.c.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
			return err
		})
		models = slices.Delete(models, 0, len(models))
		return err
	}
	for id := range ids {
		// One by one, each by its _id alone: that is what every server has an index for.
		models = append(models, mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: id}}))
		if len(models) == deleteBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// insertFile stores the files document; it is success if that has been done before.
func (b bucket) insertFile(ctx context.Context, d fileDoc) error {
	if err := b.files.insert(ctx, d); err != nil && !errors.Is(err, errExists) {
		return err
	}
	return nil
}

// deleteFile removes the files document, so that no GridFS reader opens the file.
func (b bucket) deleteFile(ctx context.Context, file string) error {
	return b.files.deleteID(ctx, file)
}

// reserve is what must stay free on the server's disk: a MongoDB whose disk is
// full does not run any more.
const reserve = 256 << 20

// checkSpace returns an Error of code storage_full if the server's disk does not have
// size bytes. A service that does not tell its free space is believed to have it.
func (b bucket) checkSpace(ctx context.Context, size int64) error {
	var disk struct {
		Total float64 `bson:"fsTotalSize"`
		Used  float64 `bson:"fsUsedSize"`
	}
	err := b.files.do(ctx, "measuring the disk of", func(ctx context.Context) error {
		raw, err := b.files.c.Database().RunCommand(ctx, bson.D{{Key: "dbStats", Value: 1}}).Raw()
		if err != nil {
			return err
		}
		return decode(b.files, raw, &disk)
	})
	if err != nil {
		return err
	}
	if free := disk.Total - disk.Used; disk.Total > 0 && float64(size)+reserve > free {
		return sx.NewError(sx.CodeStorageFull, "the server has no room for %s (%s are free, and %s must stay so)",
			sx.FormatSize(size), sx.FormatSize(int64(free)), sx.FormatSize(reserve))
	}
	return nil
}
