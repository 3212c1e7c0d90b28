package localstore

import (
	"bytes"
	"context"
	"iter"
	"slices"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

func (s *jobs) List(ctx context.Context, f store.JobFilter) (list []sx.Job, next *store.Cursor, err error) {
	if err := f.Check(); err != nil {
		return nil, nil, err
	}
	err = s.db.view(ctx, "list jobs", func(t tx) error {
		if len(f.IDs) > 0 {
			list, next, err = byIDs(t, f)
			return err
		}
		examined, size := 0, 0
		var oldest []byte // the first key that Since permits
		if !f.Since.IsZero() {
			oldest = orderKey(nil, f.Since, "")
		}
		var last []byte // the key of the job that was examined last
		for key := range candidates(t, f) {
			if examined++; examined > store.MaxExamined {
				next = jobCursor(last)
				return nil
			}
			if bytes.Compare(key, oldest) < 0 {
				return nil
			}
			last = bytes.Clone(key)
			id := key[idAt(nil):]
			j, err := jobRecords.get(t, string(id))
			if err != nil {
				return err
			}
			if !f.Matches(j) {
				continue
			}
			size += len(t.Bucket(bucketJobs).Get(id))
			if len(list) == f.PageLimit() || len(list) > 0 && size > store.MaxPageBytes {
				next = &store.Cursor{Created: list[len(list)-1].Created, ID: list[len(list)-1].ID}
				return nil
			}
			list = append(list, j)
		}
		return ctx.Err()
	})
	return list, next, err
}

// jobCursor is the position of a key of order.
func jobCursor(key []byte) *store.Cursor {
	return &store.Cursor{Created: orderTime(key), ID: string(key[idAt(nil):])}
}

// byIDs returns the page of the jobs with the IDs of the filter. It does not hold more jobs
// than a page has, and one.
func byIDs(t tx, f store.JobFilter) (list []sx.Job, next *store.Cursor, err error) {
	ids := slices.Clone(f.IDs)
	slices.Sort(ids)
	size := 0
	var end []byte // the newest job that is on a later page
	for _, id := range slices.Compact(ids) {
		j, err := jobRecords.get(t, id)
		switch {
		case sx.CodeOf(err) == sx.CodeNotFound:
			continue
		case err != nil:
			return nil, nil, err
		}
		if !f.Matches(j) || !before(j, f.After) || bytes.Compare(order(j), end) < 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(list, j, func(a, b sx.Job) int { return bytes.Compare(order(b), order(a)) })
		list = slices.Insert(list, at, j)
		size += recordSize(t, j)
		for len(list) > 1 && size > store.MaxPageBytes {
			last := list[len(list)-1]
			size, end = size-recordSize(t, last), order(last)
			list = slices.Delete(list, len(list)-1, len(list))
		}
	}
	if end != nil {
		last := list[len(list)-1]
		next = &store.Cursor{Created: last.Created, ID: last.ID}
	}
	return list, next, nil
}

// order is the job's key of orderKey with an empty prefix.
func order(j sx.Job) []byte { return orderKey(nil, j.Created, j.ID) }

func recordSize(t tx, j sx.Job) int { return len(t.Bucket(bucketJobs).Get([]byte(j.ID))) }

// before reports whether List returns the job after the cursor.
func before(j sx.Job, after *store.Cursor) bool {
	return after == nil || bytes.Compare(order(j), orderKey(nil, after.Created, after.ID)) < 0
}

// candidates returns the order keys of jobs among which are those that match, the
// newest first.
func candidates(t tx, f store.JobFilter) iter.Seq[[]byte] {
	var cursors []*cursor
	switch {
	case f.Code != "":
		cursors = []*cursor{newestFirst(t, bucketCodes, ownerPrefix(string(f.Code)), f.After)}
	case len(f.States) == 0 && (f.Owner == "" || len(f.Identities) == 0):
		cursors = []*cursor{newestFirst(t, bucketOrder, ownerPrefix(f.Owner), f.After)}
	case f.Owner != "" && len(f.Identities) > 0:
		for _, identity := range f.Identities {
			cursors = append(cursors, newestFirst(t, bucketIdentities, twoPrefix(f.Owner, identity), f.After))
		}
	default:
		for _, state := range f.States {
			cursors = append(cursors, newestFirst(t, bucketStates, twoPrefix(f.Owner, string(state)), f.After))
		}
	}
	return merge(cursors)
}

// merge returns the order keys of all cursors, the newest first and each once.
func merge(cursors []*cursor) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			var newest []byte
			for _, c := range cursors {
				if c.key != nil && (newest == nil || bytes.Compare(c.order(), newest) > 0) {
					newest = c.order()
				}
			}
			if newest == nil || !yield(newest) {
				return
			}
			newest = bytes.Clone(newest)
			for _, c := range cursors {
				if c.key != nil && bytes.Equal(c.order(), newest) {
					c.prev()
				}
			}
		}
	}
}
