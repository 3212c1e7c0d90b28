package localstore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/soundextract/sx/server/internal/store"
)

// orderKey is a key that sorts by time, then ID, within each prefix.
func orderKey(prefix []byte, created time.Time, id string) []byte {
	k := append([]byte(nil), prefix...)
	// The sign bit is flipped so that times before 1970 sort first.
	k = binary.BigEndian.AppendUint64(k, uint64(created.UnixMilli())^(1<<63))
	return append(k, id...)
}

// orderTime is the time in a key of orderKey without its prefix.
func orderTime(order []byte) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(order) ^ (1 << 63))).UTC()
}

// ownerPrefix ends with a byte that no ID contains, so that no owner's prefix is
// a prefix of another's.
func ownerPrefix(owner string) []byte { return append([]byte(owner), 0) }

// afterOwner is the first key after all those with an owner's prefix.
func afterOwner(prefix []byte) []byte { return append(bytes.Clone(prefix[:len(prefix)-1]), 1) }

// twoPrefix begins the keys of an index by two texts without NUL.
func twoPrefix(first, second string) []byte {
	return append(ownerPrefix(first), ownerPrefix(second)...)
}

// idAt is the position of the ID in a key of orderKey.
func idAt(prefix []byte) int { return len(prefix) + 8 }

// entry is a key of an index.
type entry struct {
	bucket []byte
	key    []byte
}

func (e entry) compare(other entry) int {
	return cmp.Or(bytes.Compare(e.bucket, other.bucket), bytes.Compare(e.key, other.key))
}

func putAll(t tx, list []entry) (err error) {
	for _, e := range list {
		err = errors.Join(err, t.Bucket(e.bucket).Put(e.key, nil))
	}
	return err
}

func deleteAll(t tx, list []entry) (err error) {
	for _, e := range list {
		err = errors.Join(err, t.Bucket(e.bucket).Delete(e.key))
	}
	return err
}

// firstKeys returns at most a batch of keys of the index that have the prefix and are
// before end.
func firstKeys(t tx, bucket, prefix, end []byte) (keys [][]byte) {
	c := t.Bucket(bucket).Cursor()
	for k, _ := c.Seek(prefix); k != nil && len(keys) < batch && bytes.Compare(k, end) < 0; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	return keys
}

// cursor is a position in an index.
type cursor struct {
	*bbolt.Cursor
	prefix []byte
	key    []byte // the current one, nil after the last
	value  []byte
}

// newestFirst starts at the last key that has the prefix and is before the position.
func newestFirst(t tx, bucket, prefix []byte, after *store.Cursor) *cursor {
	c := &cursor{Cursor: t.Bucket(bucket).Cursor(), prefix: prefix}
	end := afterOwner(prefix)
	if after != nil {
		end = orderKey(prefix, after.Created, after.ID)
	}
	if k, _ := c.Seek(end); k == nil {
		c.set(c.Last())
	} else {
		c.prev()
	}
	return c
}

func (c *cursor) prev() {
	c.set(c.Prev())
}

func (c *cursor) set(k, v []byte) {
	c.key, c.value = nil, nil
	if bytes.HasPrefix(k, c.prefix) {
		c.key, c.value = k, v
	}
}

// order is the part of the key after the prefix.
func (c *cursor) order() []byte { return c.key[len(c.prefix):] }
