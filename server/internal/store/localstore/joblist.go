package localstore

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

func (s *jobs) List(ctx context.Context, f store.JobFilter) (list []sx.Job, next *store.Cursor, err error) {
	if err := f.Check(); err != nil {
		return nil, nil, err
	}
	err = s.db.view(ctx, "list jobs", func(t tx) error {
		if len(f.IDs) > 0 {
			list, err = byIDs(t, f)
			return err
		}
		examined, size := 0, 0
		var oldest []byte // the first key that Since permits
		if !f.Since.IsZero() {
			oldest = orderKey(nil, f.Since, "")
		}
		var last []byte // the order of the job that was examined last
		for order := range candidates(t, f) {
			if examined++; examined > store.MaxExamined {
				next = jobCursor(last)
				return nil
			}
			if bytes.Compare(order, oldest) < 0 {
				return nil
			}
			last = bytes.Clone(order)
			id := order[idAt(nil):]
			j, err := jobRecords.get(t, string(id))
			if err != nil {
				return err
			}
			if !matches(j, f) {
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

// jobCursor is the position of a key of orderKey with an empty prefix.
func jobCursor(order []byte) *store.Cursor {
	return &store.Cursor{Created: orderTime(order), ID: string(order[idAt(nil):])}
}

// byIDs reads the jobs with the IDs of the filter, the newest first.
func byIDs(t tx, f store.JobFilter) (list []sx.Job, err error) {
	ids := slices.Clone(f.IDs)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		j, err := jobRecords.get(t, id)
		switch {
		case sx.CodeOf(err) == sx.CodeNotFound:
			continue
		case err != nil:
			return nil, err
		}
		if matches(j, f) && before(j, f.After) {
			list = append(list, j)
		}
	}
	slices.SortFunc(list, func(a, b sx.Job) int {
		return bytes.Compare(orderKey(nil, b.Created, b.ID), orderKey(nil, a.Created, a.ID))
	})
	return list, nil
}

// before reports whether List returns the job after the cursor.
func before(j sx.Job, after *store.Cursor) bool {
	return after == nil || bytes.Compare(orderKey(nil, j.Created, j.ID), orderKey(nil, after.Created, after.ID)) < 0
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

func matches(j sx.Job, f store.JobFilter) bool {
	for _, l := range f.Labels {
		if !slices.Contains(j.Labels, l) {
			return false
		}
	}
	return (!f.Shared || len(j.Shares) > 0) &&
		(f.Owner == "" || j.Owner == f.Owner) &&
		(f.Code == "" || j.Error != nil && j.Error.Code == f.Code) &&
		j.Created.UnixMilli() >= f.Since.UnixMilli() &&
		(len(f.States) == 0 || slices.Contains(f.States, j.State)) &&
		(len(f.Identities) == 0 || slices.ContainsFunc(j.Sources, func(s sx.Source) bool { return slices.Contains(f.Identities, s.Identity) })) &&
		strings.Contains(strings.ToLower(j.Sent.Name), strings.ToLower(f.Name))
}
