// Package storebackup writes a store into a backup and restores it, through the storage
// port, so that a backup of one store can be restored into the other.
package storebackup

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/sx"
)

// Result is what Create wrote.
type Result struct {
	Jobs int
	// Damaged is how many videos and MP3s could not be read. The backup says so for each, and
	// contains everything else.
	Damaged int
}

// pageSize is how many records are in memory.
const pageSize = 100

// Create writes a backup of the store, which may be in use. Each job is consistent, but the
// jobs are not a snapshot of one moment: a job that is created later is not in the backup,
// and if a job changes while it is read, what has changed is read again. The memory that
// Create needs does not depend on the size of the store.
func Create(ctx context.Context, s store.Store, files []backup.File, out io.Writer, log *slog.Logger, now time.Time) (Result, error) {
	w, err := backup.NewWriter(out, backup.Header{Format: format.Current().Number, Release: sx.Version, Created: now.UTC()})
	if err != nil {
		return Result{}, err
	}
	c := &creator{store: s, w: w, log: log, buffer: make([]byte, backup.MaxData)}
	err = w.Files(files)
	// Accounts come first, so that the owner of each job is in the backup. What a job turns
	// into (conversions, deliveries) comes after the jobs, so that a job that is removed
	// meanwhile is in one or the other. Erasures come last, so that what they have not removed
	// yet is removed after a restore.
	for _, step := range []func(context.Context) error{
		c.users,
		pages(c, backup.Invitations, s.Dump.Invitations, func(v sx.Invitation) string { return v.ID }),
		pages(c, backup.Bindings, s.Dump.Bindings, func(v sx.Binding) string { return v.ID }),
		pages(c, backup.PersonalTokens, s.Dump.PersonalTokens, func(v sx.PersonalToken) string { return v.ID }),
		pages(c, backup.Sessions, s.Dump.Sessions, func(v sx.Session) string { return v.ID }),
		pages(c, backup.NotificationSettings, s.Dump.NotificationSettings, func(v sx.NotificationSettings) string { return v.UserID }),
		pages(c, backup.Feeds, s.Dump.Feeds, func(v sx.Feeds) string { return v.Owner }),
		pages(c, backup.Limits, s.Dump.Limits, func(v sx.Limits) string { return v.Owner }),
		c.audit,
		c.jobs,
		pages(c, backup.Conversions, s.Dump.Conversions, nil),
		pages(c, backup.Deliveries, s.Dump.Deliveries, func(v sx.Delivery) string { return v.ID }),
		pages(c, backup.Erasures, s.Dump.Erasures, func(v sx.Erasure) string { return v.UserID }),
	} {
		if err == nil {
			err = step(ctx)
		}
	}
	if err == nil {
		err = w.Close()
	}
	return c.result, err
}

type creator struct {
	store  store.Store
	w      *backup.Writer
	log    *slog.Logger
	buffer []byte
	result Result
}

// outage is how long Create waits for a store that is unavailable, as during the election
// of another server.
const outage = 2 * time.Minute

// persist calls read again while the store is unavailable.
func (c *creator) persist(ctx context.Context, read func() error) error {
	pause := backoff.Backoff{First: 100 * time.Millisecond, Max: 5 * time.Second}
	for start := time.Now(); ; {
		err := read()
		if sx.CodeOf(err) != sx.CodeUnavailable || time.Since(start) > outage {
			return err
		}
		if err := backoff.Sleep(ctx, pause.Next()); err != nil {
			return err
		}
	}
}

// pages writes all records of a kind. id is nil for records that have none: they are
// numbered.
func pages[T any](c *creator, kind string, page func(context.Context, string, int) ([]T, string, error), id func(T) string) func(context.Context) error {
	return func(ctx context.Context) error {
		n := 0
		for cursor := ""; ; {
			var list []T
			var next string
			err := c.persist(ctx, func() (err error) {
				list, next, err = page(ctx, cursor, pageSize)
				return err
			})
			if err != nil {
				return err
			}
			for _, v := range list {
				n++
				name := fmt.Sprintf("%08d", n)
				if id != nil {
					name = id(v)
				}
				if err := c.w.Document(kind, name, v); err != nil {
					return err
				}
			}
			if cursor = next; cursor == "" {
				return nil
			}
		}
	}
}

func (c *creator) users(ctx context.Context) error {
	for after := ""; ; {
		var list []sx.User
		var more bool
		err := c.persist(ctx, func() (err error) {
			list, more, err = c.store.Users.List(ctx, after, pageSize)
			return err
		})
		if err != nil {
			return err
		}
		for _, u := range list {
			if err := c.w.Document(backup.Users, u.ID, u); err != nil {
				return err
			}
			after = u.Name
		}
		if !more {
			return nil
		}
	}
}

func (c *creator) audit(ctx context.Context) error {
	for filter := (store.AuditFilter{Limit: pageSize}); ; {
		var list []sx.AuditEntry
		var more bool
		err := c.persist(ctx, func() (err error) {
			list, more, err = c.store.Audit.List(ctx, filter)
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := c.w.Document(backup.Audit, e.ID, e); err != nil {
				return err
			}
			filter.After = e.ID
		}
		if !more {
			return nil
		}
	}
}

// jobs writes the jobs from the newest to the oldest, as a list has them: what is created
// meanwhile is not read.
func (c *creator) jobs(ctx context.Context) error {
	for filter := (store.JobFilter{Limit: pageSize}); ; {
		var list []sx.Job
		var next *store.Cursor
		err := c.persist(ctx, func() (err error) {
			list, next, err = c.store.Jobs.List(ctx, filter)
			return err
		})
		if err != nil {
			return err
		}
		for i := range list {
			if err := (&jobWriter{creator: c, id: list[i].ID}).write(ctx); err != nil {
				return err
			}
		}
		if filter.After = next; next == nil {
			return nil
		}
	}
}
