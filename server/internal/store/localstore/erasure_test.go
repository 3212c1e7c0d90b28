package localstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
)

// transactions is a context that counts transactions: each looks whether it has ended. It
// ends before the one with the number last, unless that is 0.
type transactions struct {
	context.Context
	n, last int
}

func (c *transactions) Err() error {
	if c.n++; c.n == c.last {
		return context.Canceled
	}
	return nil
}

// TestErasureAmongManyRecords checks that the deletion of what an account has is spread over
// transactions, between which it can be stopped, however much others have; that it deletes
// what it has to wherever it is; and that it can be repeated.
func TestErasureAmongManyRecords(t *testing.T) {
	t.Parallel()
	const n = 2100
	s := open(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var (
		sessions    []sx.Session
		invitations []sx.Invitation
		expires     = time.Now().Add(time.Hour)
	)
	ofAnn := func(i int) bool { return i%700 == 0 || i == n-1 }
	for i := range n {
		id, user := fmt.Sprintf("%05d", i), "bob"
		if ofAnn(i) {
			user = "ann"
		}
		sessions = append(sessions, sx.Session{ID: id, UserID: user, Expires: expires})
		invitations = append(invitations, sx.Invitation{ID: id, Inviter: user, Expires: expires})
	}
	if err := errors.Join(localstore.StoreSessions(t.Context(), s, sessions), localstore.StoreInvitations(t.Context(), s, invitations)); err != nil {
		t.Fatal(err)
	}
	for what, kind := range map[string]struct {
		deleteOf func(ctx context.Context, user string) error
		byID     func(id string) error
	}{
		"sessions":    {s.Sessions.DeleteOf, func(id string) error { _, err := s.Sessions.ByID(t.Context(), id); return err }},
		"invitations": {s.Invitations.DeleteOf, func(id string) error { _, err := s.Invitations.ByID(t.Context(), id); return err }},
	} {
		if err := kind.deleteOf(&transactions{Context: t.Context(), last: 4}, "ann"); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: stopped after three transactions: %v", what, err)
		}
		counted := &transactions{Context: t.Context()}
		if err := kind.deleteOf(counted, "ann"); err != nil {
			t.Fatal(err)
		}
		if counted.n < n/500 {
			t.Errorf("%s: %d transactions read %d records", what, counted.n, n)
		}
		for i := range n {
			want := sx.Code("")
			if ofAnn(i) {
				want = sx.CodeNotFound
			}
			if err := kind.byID(fmt.Sprintf("%05d", i)); sx.CodeOf(err) != want {
				t.Errorf("%s: %d: %v, want code %q", what, i, err, want)
			}
		}
	}
}
