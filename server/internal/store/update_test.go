package store_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// memory is a store of one record, which others change at the same time.
type memory struct {
	record  sx.User
	rivals  int // how many Replaces fail because the record has just been changed
	err     error
	changes int
}

func (m *memory) get(_ context.Context, id string) (sx.User, error) {
	if id != m.record.ID {
		return sx.User{Name: "half read"}, sx.NewError(sx.CodeNotFound, "user %s not found", id)
	}
	return m.record, nil
}

func (m *memory) replace(_ context.Context, u sx.User) error {
	if m.rivals > 0 {
		m.rivals--
		m.record.Rev++
		m.record.Epoch += 10
	}
	switch {
	case m.err != nil:
		return m.err
	case u.Rev != m.record.Rev:
		return store.ErrStale
	}
	u.Rev++
	m.record = u
	return nil
}

func (m *memory) update(ctx context.Context, id string, change func(*sx.User) error) (sx.User, error) {
	return store.Update(ctx, id, m.get, m.replace, func(u *sx.User) error {
		m.changes++
		return change(u)
	})
}

func increment(u *sx.User) error {
	u.Epoch++
	return nil
}

func TestUpdateRetriesStaleRecords(t *testing.T) {
	t.Parallel()
	m := &memory{record: sx.User{ID: "u1", Rev: 1}, rivals: 3}
	u, err := m.update(t.Context(), "u1", increment)
	if err != nil || u.Epoch != 31 || u.Rev != 4 {
		t.Errorf("Update returned %+v, %v", u, err)
	}
	if m.record.Epoch != 31 || m.record.Rev != 5 || m.changes != 4 {
		t.Errorf("after %d changes the record is %+v", m.changes, m.record)
	}
}

func TestUpdateReturnsErrors(t *testing.T) {
	t.Parallel()
	refused, broken := sx.NewError(sx.CodeConflict, "not in this state"), errors.New("broken")
	for _, c := range []struct {
		name    string
		id      string
		change  func(*sx.User) error
		replace error
		want    error
		code    sx.Code
	}{
		{"change refuses", "u1", func(u *sx.User) error { u.Epoch = 9; return refused }, nil, refused, sx.CodeConflict},
		{"nothing to change", "u1", func(*sx.User) error { return store.ErrUnchanged }, nil, store.ErrUnchanged, sx.CodeInternal},
		{"change returns ErrStale", "u1", func(*sx.User) error { return store.ErrStale }, nil, store.ErrStale, sx.CodeConflict},
		{"replace fails", "u1", increment, broken, broken, sx.CodeInternal},
	} {
		m := &memory{record: sx.User{ID: "u1", Epoch: 7, Rev: 1}, err: c.replace}
		u, err := m.update(t.Context(), c.id, c.change)
		if !errors.Is(err, c.want) || sx.CodeOf(err) != c.code {
			t.Errorf("%s: Update returned %v, want %v", c.name, err, c.want)
		}
		if m.changes != 1 || u.Epoch != 7 || m.record.Epoch != 7 {
			t.Errorf("%s: after %d changes Update returned %+v, and the record is %+v", c.name, m.changes, u, m.record)
		}
	}
	m := &memory{}
	if u, err := m.update(t.Context(), "absent", increment); sx.CodeOf(err) != sx.CodeNotFound || u.ID != "" || m.changes != 0 {
		t.Errorf("Update of an absent record returned %+v, %v, after %d changes", u, err, m.changes)
	}
}

func TestUpdateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	m := &memory{record: sx.User{ID: "u1", Epoch: 7, Rev: 1}, rivals: 100}
	u, err := m.update(ctx, "u1", func(u *sx.User) error {
		if m.changes == 5 {
			cancel()
		}
		return increment(u)
	})
	if !errors.Is(err, context.Canceled) || m.changes != 5 || u.Rev != 5 {
		t.Errorf("after %d changes Update returned %+v, %v, want context.Canceled", m.changes, u, err)
	}
}

// TestUpdateEnds checks that Update gives up on a record that always changes, and that it
// pauses in between.
func TestUpdateEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{record: sx.User{ID: "u1", Rev: 1}, rivals: math.MaxInt}
		start := time.Now()
		_, err := m.update(t.Context(), "u1", increment)
		if sx.CodeOf(err) != sx.CodeUnavailable || errors.Is(err, store.ErrStale) || m.changes > 1000 {
			t.Errorf("Update returned %v after %d attempts", err, m.changes)
		}
		if took := time.Since(start); took < time.Second || took > 10*time.Second {
			t.Errorf("Update gave up after %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := m.update(ctx, "u1", increment); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Update returned %v after the end of ctx", err)
		}
	})
}
