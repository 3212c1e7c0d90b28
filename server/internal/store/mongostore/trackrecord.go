package mongostore

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/sx"
)

// trackRecord says which GridFS file a track is. Each Put writes a file of its
// own, and becomes visible by a compare-and-set on the record's rev.
type trackRecord struct {
	ID  string `bson:"_id"`
	Rev int64  `bson:"rev"`

	// Versions counts the Puts. None of them has a chunk at or beyond Bound.
	Versions int `bson:"versions"`
	Bound    int `bson:"bound"`
	// RemovedUpTo are the versions up to which Remove has made an end of all.
	RemovedUpTo int `bson:"removed_up_to"`

	// Current is the version that is the track, 0 for none. The rest describes it.
	Current   int    `bson:"current"`
	Size      int64  `bson:"size"`
	SHA256    string `bson:"sha256"`
	ChunkSize int    `bson:"chunk_size"`

	Updated time.Time `bson:"updated"` // when the record was changed
}

// file is the GridFS id of a version. The first one, which nearly always is the
// only one, has the track's own id.
func (r trackRecord) file(version int) string {
	if version == 1 {
		return r.ID
	}
	return r.ID + "/" + strconv.Itoa(version)
}

// chunkIDs gives the chunks that a version has or may have.
func (r trackRecord) chunkIDs(version int) iter.Seq[bson.ObjectID] {
	n := r.Bound
	if version == r.Current {
		n = chunkCount(r.Size, r.ChunkSize)
	}
	file := r.file(version)
	return func(yield func(bson.ObjectID) bool) {
		for i := range n {
			if !yield(chunkID(file, 0, i)) {
				return
			}
		}
	}
}

var errUnchanged = errors.New("the record is left as it is")

// update reads the record, an empty one where there is none, lets fn change it,
// and stores it unless someone else was faster: then all of that again. An error
// of fn ends it. old is the record before.
func (s *tracks) update(ctx context.Context, id string, fn func(r *trackRecord) error) (old, changed trackRecord, err error) {
	for {
		old, err := get[trackRecord](ctx, s.records, id)
		absent := errors.Is(err, errNotFound)
		if err != nil && !absent {
			return old, old, err
		}
		old.ID = id
		r := old
		if err := fn(&r); err != nil {
			return old, old, err
		}
		r.Rev++
		r.Updated = s.now()
		var done bool
		if absent {
			err = s.records.insert(ctx, r)
			done = !errors.Is(err, errExists)
		} else {
			done, err = s.records.replace(ctx, atRev(id, old.Rev), r)
			done = done || err != nil
		}
		if done {
			return old, r, err
		}
	}
}

// current reads the record of a track that can be opened.
func (s *tracks) current(ctx context.Context, id string) (trackRecord, error) {
	r, err := get[trackRecord](ctx, s.records, id)
	if errors.Is(err, errNotFound) || err == nil && r.Current == 0 {
		err = sx.NewError(sx.CodeNotFound, "there is no track %s", id)
	}
	return r, err
}
