package mongostore

import (
	"iter"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// uploadDoc is the record of an upload, and of the video that it becomes. It is
// changed by compare-and-set on its rev, by an Append too: so each change fences
// off the Append that was at work.
type uploadDoc struct {
	ID        string `bson:"_id"`
	Rev       int64  `bson:"rev"`
	Name      string `bson:"name"`
	Size      int64  `bson:"size"`
	ChunkSize int    `bson:"chunk_size"`

	// Offset is how many bytes are stored: in full chunks first, and what is
	// left in Tail. The last chunk of the file counts as full.
	Offset int64  `bson:"offset"`
	Tail   []byte `bson:"tail"`
	// State is the marshalled SHA-256 of the bytes in full chunks.
	State []byte `bson:"state"`

	// Open says that an Append is at work, or broke off so that it may still
	// have writes on their way.
	Open bool `bson:"open"`
	// Epochs holds, for each epoch, the chunk at which it began. The newest one
	// is the last; see doc.go.
	Epochs []int `bson:"epochs"`

	SHA256  string    `bson:"sha256"` // once sealed
	Updated time.Time `bson:"updated"`
	Removed time.Time `bson:"removed"` // when Remove was first called
}

func newUploadDoc(id, name string, size int64, now time.Time) (uploadDoc, error) {
	state, err := marshal(newHash())
	return uploadDoc{
		ID: id, Name: name, Size: size, ChunkSize: chunkSize, Tail: []byte{}, State: state, Epochs: []int{0}, Updated: now, Rev: 1,
	}, err
}

func (u uploadDoc) upload() store.Upload {
	return store.Upload{ID: u.ID, Name: u.Name, Size: u.Size, Offset: u.Offset, SHA256: u.SHA256, Updated: u.Updated}
}

func (u uploadDoc) complete() bool { return u.Offset == u.Size }

// chunks is how many chunks the whole video has.
func (u uploadDoc) chunks() int { return chunkCount(u.Size, u.ChunkSize) }

// next is the first chunk that is not stored in full.
func (u uploadDoc) next() int {
	if u.complete() {
		return u.chunks()
	}
	return int(u.Offset / int64(u.ChunkSize))
}

// epoch is the one whose chunk n counts.
func (u uploadDoc) epoch(n int) int {
	e := len(u.Epochs) - 1
	for e > 0 && u.Epochs[e] > n {
		e--
	}
	return e
}

// chunkIDs gives every chunk that an Append may have stored, also one that
// never counted.
func (u uploadDoc) chunkIDs() iter.Seq[bson.ObjectID] {
	return func(yield func(bson.ObjectID) bool) {
		for e, from := range u.Epochs {
			to := u.next()
			if e+1 < len(u.Epochs) {
				to = u.Epochs[e+1]
			}
			for n := from; n < min(to+uncommitted, u.chunks()); n++ {
				if !yield(chunkID(u.ID, e, n)) {
					return
				}
			}
		}
	}
}

func offsetConflict(id string, stored, asked int64) error {
	return sx.NewError(sx.CodeOffsetConflict, "upload %s has %d bytes, not %d", id, stored, asked)
}
