package localstore

import (
	"bytes"
	"context"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

func (s *jobs) Backlog(ctx context.Context) (store.Backlog, error) {
	found := store.Backlog{}
	err := s.db.view(ctx, "count jobs", func(t tx) error {
		for _, state := range store.Unfinished() {
			prefix := ownerPrefix(string(state))
			in := store.InState{}
			c := t.Bucket(bucketSince).Cursor()
			for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && in.Jobs < store.MaxCounted; k, _ = c.Next() {
				if in.Jobs++; in.Jobs == 1 {
					in.Oldest = orderTime(k[len(prefix):])
				}
			}
			found[state] = in
		}
		return nil
	})
	return found, err
}

func (s *jobs) Oldest(ctx context.Context, state sx.State, limit int) (list []sx.Job, err error) {
	err = s.db.view(ctx, "list the oldest jobs", func(t tx) error {
		prefix := ownerPrefix(string(state))
		c := t.Bucket(bucketSince).Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(list) < limit; k, _ = c.Next() {
			j, err := jobRecords.get(t, string(k[idAt(prefix):]))
			if err != nil {
				return err
			}
			list = append(list, j)
		}
		return nil
	})
	return list, err
}
