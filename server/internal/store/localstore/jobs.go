package localstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type jobs struct {
	db *database
}

var _ store.Jobs = (*jobs)(nil)

var jobRecords = records[sx.Job]{
	bucket: bucketJobs, kind: "job",
	rev: func(j *sx.Job) *int64 { return &j.Rev },
}

func (s *jobs) Create(ctx context.Context, j sx.Job) error {
	return s.db.update(ctx, "store job", func(t tx) error {
		if err := jobRecords.create(t, j.ID, j); err != nil {
			return err
		}
		return index(t, j)
	})
}

func (s *jobs) Get(ctx context.Context, id string) (j sx.Job, err error) {
	err = s.db.view(ctx, "read job", func(t tx) error {
		j, err = jobRecords.get(t, id)
		return err
	})
	return j, err
}

func (s *jobs) Replace(ctx context.Context, j sx.Job) error {
	return s.db.update(ctx, "change job", func(t tx) error {
		old, err := jobRecords.current(t, j.ID, j)
		if err != nil {
			return err
		}
		if err := jobRecords.replace(t, j.ID, j); err != nil {
			return err
		}
		return errors.Join(unindex(t, old), index(t, j))
	})
}

func (s *jobs) Delete(ctx context.Context, j sx.Job) error {
	return s.db.update(ctx, "delete job", func(t tx) error {
		old, err := jobRecords.current(t, j.ID, j)
		switch {
		case sx.CodeOf(err) == sx.CodeNotFound:
			return nil
		case err != nil:
			return err
		}
		return errors.Join(unindex(t, old), t.Bucket(bucketJobs).Delete([]byte(j.ID)))
	})
}

func (s *jobs) List(ctx context.Context, f store.JobFilter) (list []sx.Job, more bool, err error) {
	err = s.db.view(ctx, "list jobs", func(t tx) error {
		for id := range candidates(t, f) {
			if len(f.IDs) > 0 && !slices.Contains(f.IDs, id) {
				continue
			}
			j, err := jobRecords.get(t, id)
			if err != nil {
				return err
			}
			if !matches(j, f) {
				continue
			}
			if f.Limit > 0 && len(list) == f.Limit {
				more = true
				return nil
			}
			list = append(list, j)
		}
		return ctx.Err()
	})
	return list, more, err
}

// candidates returns the IDs of jobs among which are those that match, the newest first.
func candidates(t tx, f store.JobFilter) iter.Seq[string] {
	if len(f.Identities) == 0 || f.Owner == "" {
		return newestFirst(t, f.Owner, f.After)
	}
	var keys []string // an order key each
	end := ""
	if f.After != nil {
		end = string(orderKey(nil, f.After.Created, f.After.ID))
	}
	c := t.Bucket(bucketIdentities).Cursor()
	for _, identity := range f.Identities {
		prefix := identityPrefix(f.Owner, identity)
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			if key := string(k[len(prefix):]); end == "" || key < end {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	return func(yield func(string) bool) {
		for _, key := range slices.Backward(keys) {
			if !yield(key[idAt(nil):]) {
				return
			}
		}
	}
}

// newestFirst returns the IDs of the owner's jobs that are older than the cursor.
func newestFirst(t tx, owner string, after *store.JobCursor) iter.Seq[string] {
	prefix := ownerPrefix(owner)
	end := afterOwner(prefix)
	if after != nil {
		end = orderKey(prefix, after.Created, after.ID)
	}
	return func(yield func(string) bool) {
		c := t.Bucket(bucketOrder).Cursor()
		k, _ := c.Seek(end)
		if k == nil {
			k, _ = c.Last()
		} else {
			k, _ = c.Prev()
		}
		for ; bytes.HasPrefix(k, prefix); k, _ = c.Prev() {
			if !yield(string(k[idAt(prefix):])) {
				return
			}
		}
	}
}

func matches(j sx.Job, f store.JobFilter) bool {
	for _, l := range f.Labels {
		if !slices.Contains(j.Labels, l) {
			return false
		}
	}
	return (len(f.States) == 0 || slices.Contains(f.States, j.State)) &&
		(len(f.Identities) == 0 || slices.ContainsFunc(j.Sources, func(s sx.Source) bool { return slices.Contains(f.Identities, s.Identity) })) &&
		strings.Contains(strings.ToLower(j.Sent.Name), strings.ToLower(f.Name))
}

func (s *jobs) Unsettled(ctx context.Context) (list []sx.Job, err error) {
	err = s.db.view(ctx, "list unsettled jobs", func(t tx) error {
		c := t.Bucket(bucketUnsettled).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			j, err := jobRecords.get(t, string(k[idAt(nil):]))
			if err != nil {
				return err
			}
			list = append(list, j)
		}
		return nil
	})
	return list, err
}

// NextQueued looks at the oldest jobs of each owner. A job that is not due yet is
// one that has failed shortly before, so it passes over few of them.
func (s *jobs) NextQueued(ctx context.Context, now time.Time, except []string) (next string, err error) {
	err = s.db.view(ctx, "find a queued job", func(t tx) error {
		var oldest []byte
		c := t.Bucket(bucketQueued).Cursor()
		for k, _ := c.First(); k != nil; {
			owner, _, _ := bytes.Cut(k, []byte{0})
			prefix := ownerPrefix(string(owner))
			for ; !slices.Contains(except, string(owner)) && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
				id := string(k[idAt(prefix):])
				j, err := jobRecords.get(t, id)
				if err != nil {
					return err
				}
				if now.Before(j.NotBefore) {
					continue
				}
				if order := k[len(prefix):]; oldest == nil || bytes.Compare(order, oldest) < 0 {
					oldest, next = order, id
				}
				break
			}
			k, _ = c.Seek(afterOwner(prefix))
		}
		return nil
	})
	return next, err
}

func (s *jobs) Usage(ctx context.Context, owner string) (total int64, err error) {
	err = s.db.view(ctx, "compute usage", func(t tx) error {
		for id := range newestFirst(t, owner, nil) {
			j, err := jobRecords.get(t, id)
			if err != nil {
				return err
			}
			total += store.StoredBytes(j)
		}
		return nil
	})
	return total, err
}

// orderKey is a key that sorts by time, then ID, within each prefix. The index of
// jobs has each job twice: with its owner's prefix, and with the empty owner's,
// which stands for all owners.
func orderKey(prefix []byte, created time.Time, id string) []byte {
	k := append([]byte(nil), prefix...)
	// The sign bit is flipped so that times before 1970 sort first.
	k = binary.BigEndian.AppendUint64(k, uint64(created.UnixMilli())^(1<<63))
	return append(k, id...)
}

// ownerPrefix ends with a byte that no ID contains, so that no owner's prefix is
// a prefix of another's.
func ownerPrefix(owner string) []byte { return append([]byte(owner), 0) }

// afterOwner is the first key after all those with an owner's prefix.
func afterOwner(prefix []byte) []byte { return append(bytes.Clone(prefix[:len(prefix)-1]), 1) }

// identityPrefix begins the keys of the index by identity.
func identityPrefix(owner, identity string) []byte {
	return append(ownerPrefix(owner), ownerPrefix(identity)...)
}

// idAt is the position of the ID in a key of orderKey.
func idAt(prefix []byte) int { return len(prefix) + 8 }

func index(t tx, j sx.Job) error {
	order := t.Bucket(bucketOrder)
	err := errors.Join(
		order.Put(orderKey(ownerPrefix(""), j.Created, j.ID), nil),
		order.Put(orderKey(ownerPrefix(j.Owner), j.Created, j.ID), nil),
	)
	for _, s := range j.Sources {
		if s.Identity != "" {
			err = errors.Join(err, t.Bucket(bucketIdentities).Put(orderKey(identityPrefix(j.Owner, s.Identity), j.Created, j.ID), nil))
		}
	}
	if !j.Settled() {
		err = errors.Join(err, t.Bucket(bucketUnsettled).Put(orderKey(nil, j.Created, j.ID), nil))
	}
	if j.State == sx.StateQueued {
		err = errors.Join(err, t.Bucket(bucketQueued).Put(orderKey(ownerPrefix(j.Owner), j.Created, j.ID), nil))
	}
	return err
}

func unindex(t tx, j sx.Job) error {
	var err error
	for _, s := range j.Sources {
		err = errors.Join(err, t.Bucket(bucketIdentities).Delete(orderKey(identityPrefix(j.Owner, s.Identity), j.Created, j.ID)))
	}
	order := t.Bucket(bucketOrder)
	return errors.Join(
		err,
		order.Delete(orderKey(ownerPrefix(""), j.Created, j.ID)),
		order.Delete(orderKey(ownerPrefix(j.Owner), j.Created, j.ID)),
		t.Bucket(bucketUnsettled).Delete(orderKey(nil, j.Created, j.ID)),
		t.Bucket(bucketQueued).Delete(orderKey(ownerPrefix(j.Owner), j.Created, j.ID)),
	)
}
