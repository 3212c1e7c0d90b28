package localstore

import (
	"bytes"
	"context"
	"errors"
	"slices"
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
	if err := store.CheckName(j.Sent.Name); err != nil {
		return err
	}
	return s.db.update(ctx, "store job", func(t tx) error {
		if err := jobRecords.create(t, j.ID, j); err != nil {
			return err
		}
		return change(t, nil, &j)
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
	if err := store.CheckName(j.Sent.Name); err != nil {
		return err
	}
	return s.db.updateAlways(ctx, "change job", func(t tx) error {
		old, err := jobRecords.current(t, j.ID, j)
		if err != nil {
			return err
		}
		if err := jobRecords.replace(t, j.ID, j); err != nil {
			return err
		}
		return change(t, &old, &j)
	})
}

func (s *jobs) Delete(ctx context.Context, j sx.Job) error {
	return s.db.updateAlways(ctx, "delete job", func(t tx) error {
		old, err := jobRecords.current(t, j.ID, j)
		switch {
		case sx.CodeOf(err) == sx.CodeNotFound:
			return nil
		case err != nil:
			return err
		}
		return errors.Join(change(t, &old, nil), t.Bucket(bucketJobs).Delete([]byte(j.ID)))
	})
}

func (s *jobs) Due(ctx context.Context, action sx.Action, now time.Time, limit int) (list []sx.Job, err error) {
	err = s.db.view(ctx, "list due jobs", func(t tx) error {
		prefix := ownerPrefix(string(action))
		end := orderKey(prefix, now.Add(time.Millisecond), "") // the keys have milliseconds
		size := 0
		c := t.Bucket(bucketActions).Cursor()
		for k, _ := c.Seek(prefix); k != nil && len(list) < limit && bytes.Compare(k, end) < 0; k, _ = c.Next() {
			id := k[idAt(prefix):]
			if size += len(t.Bucket(bucketJobs).Get(id)); len(list) > 0 && size > store.MaxPageBytes {
				return nil
			}
			j, err := jobRecords.get(t, string(id))
			if err != nil {
				return err
			}
			list = append(list, j)
		}
		return nil
	})
	return list, err
}

// entries returns the keys of a job in all indexes. The indexes by time and by state have
// each job twice: with its owner's prefix, and with the empty owner's, which stands for all.
func entries(j *sx.Job) []entry {
	if j == nil {
		return nil
	}
	list := []entry{
		{bucketOrder, orderKey(ownerPrefix(""), j.Created, j.ID)},
		{bucketOrder, orderKey(ownerPrefix(j.Owner), j.Created, j.ID)},
		{bucketStates, orderKey(twoPrefix("", string(j.State)), j.Created, j.ID)},
		{bucketStates, orderKey(twoPrefix(j.Owner, string(j.State)), j.Created, j.ID)},
	}
	if j.Error != nil {
		list = append(list, entry{bucketCodes, orderKey(ownerPrefix(string(j.Error.Code)), j.Created, j.ID)})
	}
	for _, s := range j.Sources {
		if s.Identity != "" {
			list = append(list, entry{bucketIdentities, orderKey(twoPrefix(j.Owner, s.Identity), j.Created, j.ID)})
		}
	}
	if action, at := j.NextAction(); action != sx.ActionNone {
		list = append(list, entry{bucketActions, orderKey(ownerPrefix(string(action)), at, j.ID)})
	}
	if !j.State.Final() {
		list = append(list, entry{bucketSince, orderKey(ownerPrefix(string(j.State)), j.Since(), j.ID)})
	}
	if j.Waiting() {
		list = append(list, entry{bucketWaiting, orderKey(twoPrefix(j.Owner, string(j.Priority)), j.Created, j.ID)})
	}
	return list
}

// change changes the indexes and the owner's totals from the job before to the one
// after; nil is none. It touches only what differs.
func change(t tx, before, after *sx.Job) error {
	was, is := entries(before), entries(after)
	in := func(list []entry) func(entry) bool {
		return func(e entry) bool {
			return slices.ContainsFunc(list, func(o entry) bool { return e.compare(o) == 0 })
		}
	}
	return errors.Join(
		deleteAll(t, slices.DeleteFunc(slices.Clone(was), in(is))),
		putAll(t, slices.DeleteFunc(slices.Clone(is), in(was))),
		changeTotals(t, before, after),
	)
}
