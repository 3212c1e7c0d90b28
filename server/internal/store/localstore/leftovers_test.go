package localstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/soundextract/sx/server/sx"
)

// TestDeletionLeavesNothing checks that no record that was deleted is left in an index,
// where it would be found again and again.
func TestDeletionLeavesNothing(t *testing.T) {
	t.Parallel()
	dir, ctx, now := t.TempDir(), t.Context(), time.Now()
	s := open(t, dir)
	job := sx.NewJob("ann", sx.NewUpload{Source: sx.Source{Name: "talk.mp4", Size: 1}, Size: 1}, now)
	job.Rev = 1 // as Delete needs it
	for name, change := range map[string]func() error{
		"create user":              func() error { return s.Users.Create(ctx, sx.User{ID: "ann", Name: "ann"}) },
		"create session":           func() error { return s.Sessions.Create(ctx, sx.Session{ID: "s1", UserID: "ann", Expires: now}) },
		"create another session":   func() error { return s.Sessions.Create(ctx, sx.Session{ID: "s2", UserID: "ann", Expires: now}) },
		"create invitation":        func() error { return s.Invitations.Create(ctx, sx.Invitation{ID: "i1", Inviter: "ann", Expires: now}) },
		"create second invitation": func() error { return s.Invitations.Create(ctx, sx.Invitation{ID: "i2", Inviter: "ann", Expires: now}) },
		"create token": func() error {
			return s.PersonalTokens.Create(ctx, sx.PersonalToken{ID: "t", UserID: "ann", Name: "t", Expires: now})
		},
		"set notifications": func() error {
			return s.NotificationSettings.Replace(ctx, sx.NotificationSettings{UserID: "ann"})
		},
		"create delivery": func() error {
			return s.Deliveries.Create(ctx, sx.Delivery{ID: "d", UserID: "ann", Due: now, Created: now})
		},
		"record conversion": func() error {
			return s.Conversions.Put(ctx, sx.Conversion{Owner: "ann", Identity: "x", Recorded: now}, 10)
		},
		"store key": func() error {
			return s.IdempotencyKeys.Create(ctx, sx.IdempotencyKey{Owner: "ann", Key: "k1", Expires: now}, 10)
		},
		"store second key": func() error {
			return s.IdempotencyKeys.Create(ctx, sx.IdempotencyKey{Owner: "ann", Key: "k2", Expires: now}, 10)
		},
		"create feed":   func() error { return s.Feeds.Replace(ctx, sx.Feeds{Owner: "ann"}) },
		"create job":    func() error { return s.Jobs.Create(ctx, job) },
		"set limits":    func() error { return s.Limits.Replace(ctx, sx.Limits{Owner: "ann"}) },
		"begin erasure": func() error { return s.Erasures.Create(ctx, sx.Erasure{UserID: "ann", Step: sx.EraseJobs, Due: now}) },
		"count":         func() error { _, err := s.Counters.Add(ctx, "c", 1, now); return err },
		"begin upload":  func() error { return s.Videos.Create(ctx, "v", "talk.mp4", 1) },
	} {
		if err := change(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func() error{
		"delete user":          func() error { return s.Users.Delete(ctx, "ann") },
		"delete session":       func() error { return s.Sessions.Delete(ctx, "s1") },
		"delete sessions":      func() error { return s.Sessions.DeleteOf(ctx, "ann") },
		"delete invitation":    func() error { return s.Invitations.Delete(ctx, "i1") },
		"delete invitations":   func() error { return s.Invitations.DeleteOf(ctx, "ann") },
		"delete token":         func() error { return s.PersonalTokens.Delete(ctx, "t") },
		"delete notifications": func() error { return s.NotificationSettings.Delete(ctx, "ann") },
		"delete deliveries":    func() error { return s.Deliveries.DeleteOf(ctx, "ann") },
		"delete conversions":   func() error { return s.Conversions.DeleteOf(ctx, "ann") },
		"delete key":           func() error { return s.IdempotencyKeys.Delete(ctx, sx.IdempotencyKey{Owner: "ann", Key: "k1", Rev: 1}) },
		"delete keys":          func() error { return s.IdempotencyKeys.DeleteOf(ctx, "ann") },
		"delete job and usage": func() error {
			if err := s.Jobs.Delete(ctx, job); err != nil {
				return err
			}
			return s.Jobs.DeleteUsage(ctx, "ann")
		},
		"delete feeds":   func() error { return s.Feeds.Delete(ctx, "ann") },
		"delete limits":  func() error { return s.Limits.Delete(ctx, "ann") },
		"delete erasure": func() error { return s.Erasures.Delete(ctx, "ann") },
		"delete counter": func() error { return s.Counters.Delete(ctx, "c") },
		"remove upload":  func() error { return s.Videos.Remove(ctx, "v") },
	} {
		if err := change(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, "sx.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if string(name) == "meta" { // has the format
				return nil
			}
			return b.ForEach(func(k, _ []byte) error {
				t.Errorf("%q is left in %s", k, name)
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
