package localstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// ownerRecord has the totals of an owner's jobs. It is changed in the transaction that
// changes a job, so it cannot be wrong.
type ownerRecord struct {
	Bytes   int64
	Uploads int
	Jobs    int
	Day     int64 // since 1970, of Today
	Today   int

	Waiting map[sx.Priority]int
	Running int
	Served  uint64 // the number of the owner's last claim, counted over all owners
}

// priorities are those that may go first, in the order in which they do.
var priorities = []sx.Priority{sx.PriorityNormal, sx.PriorityLow}

func loadOwner(t tx, owner string) (r ownerRecord, err error) {
	data := t.Bucket(bucketOwners).Get(ownerPrefix(owner)) // bbolt has no empty keys
	if data != nil {
		if err := json.Unmarshal(data, &r); err != nil {
			return r, fmt.Errorf("decode the totals of %s: %w", owner, err)
		}
	}
	if r.Waiting == nil {
		r.Waiting = map[sx.Priority]int{}
	}
	return r, nil
}

func (r ownerRecord) save(t tx, owner string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the totals of %s: %w", owner, err)
	}
	return t.Bucket(bucketOwners).Put(ownerPrefix(owner), data)
}

// changeTotals changes the totals of the owners from the job before to the one after.
func changeTotals(t tx, before, after *sx.Job) error {
	if before != nil && after != nil && before.Owner == after.Owner {
		return changeOwner(t, before.Owner, before, after)
	}
	if before != nil {
		if err := changeOwner(t, before.Owner, before, nil); err != nil {
			return err
		}
	}
	if after != nil {
		return changeOwner(t, after.Owner, nil, after)
	}
	return nil
}

func changeOwner(t tx, owner string, before, after *sx.Job) error {
	was, is := store.PartOf(before), store.PartOf(after)
	if was == is {
		return nil
	}
	r, err := loadOwner(t, owner)
	if err != nil {
		return err
	}
	if err := r.unindex(t, owner); err != nil {
		return err
	}
	r.Bytes += is.Bytes - was.Bytes
	r.Uploads += is.Uploads - was.Uploads
	r.Jobs += is.Jobs - was.Jobs
	switch {
	case before == nil:
		d := store.Day(after.Created)
		if store.DayOver(r.Day, d) {
			r.Day, r.Today = d, 0
		}
		if d == r.Day {
			r.Today++
		}
	case after == nil && before.Rev == 1 && store.Day(before.Created) == r.Day:
		r.Today--
	}
	if was.Waiting {
		r.Waiting[before.Priority]--
	}
	if is.Waiting {
		r.Waiting[after.Priority]++
	}
	r.Running += is.Running - was.Running
	if was.Waiting && is.Running > 0 {
		if r.Served, err = t.Bucket(bucketTurns).NextSequence(); err != nil {
			return err
		}
	}
	if err := r.index(t, owner); err != nil {
		return err
	}
	return r.save(t, owner)
}

// turnKey sorts the owners who have waiting jobs of a priority.
func (r ownerRecord) turnKey(p sx.Priority, owner string) []byte {
	k := ownerPrefix(string(p))
	k = binary.BigEndian.AppendUint32(k, uint32(max(r.Running, 0)))
	k = binary.BigEndian.AppendUint64(k, r.Served)
	return append(k, owner...)
}

// ownerAt is the position of the owner in a key of turnKey.
func ownerAt(p sx.Priority) int { return len(p) + 1 + 4 + 8 }

func (r ownerRecord) index(t tx, owner string) error {
	for p, n := range r.Waiting {
		if n > 0 {
			if err := t.Bucket(bucketTurns).Put(r.turnKey(p, owner), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r ownerRecord) unindex(t tx, owner string) error {
	for p := range r.Waiting {
		if err := t.Bucket(bucketTurns).Delete(r.turnKey(p, owner)); err != nil {
			return err
		}
	}
	return nil
}

func (s *jobs) Waiting(ctx context.Context, limit int) (list []sx.Job, err error) {
	err = s.db.view(ctx, "list waiting jobs", func(t tx) error {
		c := t.Bucket(bucketWaiting).Cursor()
		for k, _ := c.First(); k != nil && len(list) < limit; k, _ = c.Next() {
			j, err := jobRecords.get(t, waitingID(k))
			if err != nil {
				return err
			}
			list = append(list, j)
		}
		return nil
	})
	return list, err
}

// waitingID returns the ID in a key of the waiting jobs, after two texts that end
// with NUL.
func waitingID(k []byte) string {
	first := bytes.IndexByte(k, 0) + 1
	second := bytes.IndexByte(k[first:], 0) + 1
	return string(k[idAt(k[:first+second]):])
}

func (s *jobs) NextWaiting(ctx context.Context, turn store.Turn) (id string, err error) {
	err = s.db.view(ctx, "find the next job", func(t tx) error {
		order := priorities
		if turn.LowFirst {
			order = []sx.Priority{sx.PriorityLow, sx.PriorityNormal}
		}
		for _, p := range order {
			prefix := ownerPrefix(string(p))
			k, _ := t.Bucket(bucketTurns).Cursor().Seek(prefix)
			if !bytes.HasPrefix(k, prefix) || turn.Idle && binary.BigEndian.Uint32(k[len(prefix):]) > 0 {
				continue
			}
			jobs := twoPrefix(string(k[ownerAt(p):]), string(p))
			if k, _ = t.Bucket(bucketWaiting).Cursor().Seek(jobs); bytes.HasPrefix(k, jobs) {
				id = string(k[idAt(jobs):])
				return nil
			}
		}
		return nil
	})
	return id, err
}

func (s *jobs) Usage(ctx context.Context, owner string, now time.Time) (u sx.Usage, err error) {
	err = s.db.view(ctx, "read usage", func(t tx) error {
		r, err := loadOwner(t, owner)
		u = r.usage(now)
		return err
	})
	return u, err
}

func (s *jobs) DeleteUsage(ctx context.Context, owner string) error {
	return s.db.update(ctx, "delete the totals of an owner", func(t tx) error {
		r, err := loadOwner(t, owner)
		if err != nil {
			return err
		}
		if err := r.unindex(t, owner); err != nil {
			return err
		}
		return t.Bucket(bucketOwners).Delete(ownerPrefix(owner))
	})
}

// Recount has nothing to do; see ownerRecord.
func (s *jobs) Recount(context.Context, string) (string, error) { return "", nil }
