package mongostore_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

type recountFixture struct {
	t     *testing.T
	s     store.Store
	clock *testkit.Clock
}

func (f *recountFixture) create(owner string, sizes ...int64) (made []sx.Job) {
	f.t.Helper()
	for _, size := range sizes {
		j := sx.NewJob(owner, sx.NewUpload{Source: sx.Source{Name: "a.mp4"}, Size: size}, f.clock.Now())
		check(f.t, f.s.Jobs.Create(f.t.Context(), j))
		j.Rev = 1
		made = append(made, j)
	}
	return made
}

// pass is a pass of Recount, ten minutes after what came before.
func (f *recountFixture) pass() {
	f.t.Helper()
	f.clock.Advance(10 * time.Minute)
	for cursor, more := "", true; more; more = cursor != "" {
		var err error
		cursor, err = f.s.Jobs.Recount(f.t.Context(), cursor)
		check(f.t, err)
	}
}

func (f *recountFixture) want(when, owner string, bytes int64, uploads, jobs int) {
	f.t.Helper()
	got, err := f.s.Jobs.Usage(f.t.Context(), owner, f.clock.Now())
	check(f.t, err)
	if want := (sx.Usage{Bytes: bytes, Uploads: uploads, Jobs: jobs, Today: got.Today}); got != want {
		f.t.Errorf("%s: the usage is %+v, want %+v", when, got, want)
	}
}

// TestRecountDuringAChange lets two passes read an owner's jobs while a change of one is
// stored and its totals are not. Totals that are too small would admit more than the quota.
func TestRecountDuringAChange(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	for name, change := range map[string]func(ctx context.Context, s store.Jobs, j sx.Job) error{
		"deletion": func(ctx context.Context, s store.Jobs, j sx.Job) error { return s.Delete(ctx, j) },
		"replacement": func(ctx context.Context, s store.Jobs, j sx.Job) error {
			check(t, j.Expire(j.Created))
			return s.Replace(ctx, j)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, database, clock := newProxy(t, server.URI), server.Database(t).Name(), testkit.NewClock()
			f := &recountFixture{t, openAt(t, server.URI, database, clock.Now), clock}
			slow := openAt(t, r.uri, database, clock.Now)
			t.Cleanup(func() { check(t, f.s.Close()); check(t, slow.Close()) })
			j := f.create("u1", 100, 50)[0]
			j.Labels = []string{"changed"}
			check(t, f.s.Jobs.Replace(t.Context(), j))
			j.Rev++
			clock.Advance(10 * time.Minute)

			held, resume := r.hold("update owners", 0)
			done := make(chan error, 1)
			go func() { done <- change(t.Context(), slow.Jobs, j) }()
			<-held
			next, err := f.s.Jobs.Recount(t.Context(), "")
			check(t, err)
			if next != "" {
				t.Errorf("the next page is %q", next)
			}
			f.want("before the totals", "u1", 150, 2, 2)
			resume()
			check(t, <-done)
			jobs := 1
			if name == "replacement" {
				jobs = 2
			}
			f.want("afterwards", "u1", 50, 1, jobs)
			f.pass()
			f.pass()
			f.want("two passes later", "u1", 50, 1, jobs)
		})
	}
}

// TestRecountCorrects checks what a crash leaves, or a wrong clock: what is too large is
// corrected by the second pass that finds it, what is too small by the first one.
func TestRecountCorrects(t *testing.T) {
	t.Parallel()
	server, clock := mongodb.Start(t), testkit.NewClock()
	db := server.Database(t)
	f := &recountFixture{t, openAt(t, server.URI, db.Name(), clock.Now), clock}
	t.Cleanup(func() { check(t, f.s.Close()) })
	set := func(owner string, fields bson.D) {
		t.Helper()
		r, err := db.Collection("owners").UpdateByID(t.Context(), owner, bson.D{{Key: "$set", Value: fields}})
		if check(t, err); r.MatchedCount != 1 {
			t.Fatalf("there are no totals of %s", owner)
		}
	}
	f.create("u1", 100, 50)
	f.create("u2", 100, 50)
	gone := f.create("u3", 100)[0]
	check(t, f.s.Jobs.Delete(t.Context(), gone))
	large := bson.D{{Key: "bytes", Value: int64(1000)}, {Key: "uploads", Value: int64(10)}, {Key: "jobs", Value: int64(10)}}
	set("u1", large)
	set("u2", bson.D{{Key: "bytes", Value: int64(-100)}, {Key: "uploads", Value: int64(0)}, {Key: "jobs", Value: int64(1)}})
	set("u3", append(large, bson.E{Key: "changed", Value: clock.Now().AddDate(1, 0, 0)}))

	f.pass()
	f.want("the first pass", "u1", 1000, 10, 10)
	f.want("the first pass", "u2", 150, 2, 2)
	f.want("the first pass", "u3", 1000, 10, 10)
	f.create("u1", 7) // so the first pass may have found a change that was not complete
	f.pass()
	f.want("the second pass", "u1", 1007, 11, 11)
	f.want("the second pass", "u2", 150, 2, 2)
	f.want("the second pass", "u3", 0, 0, 0)
	f.pass()
	f.want("the third pass", "u1", 157, 3, 3)
	clock.Advance(24 * time.Hour)
	f.pass()
	if n, err := db.Collection("owners").CountDocuments(t.Context(), bson.D{{Key: "_id", Value: "u3"}}); err != nil || n != 0 {
		t.Errorf("an owner without jobs has %d documents a day later, %v", n, err)
	}
}

// TestTurnsAfterAWrongClock claims a job by a clock that is a year ahead. Its owner is not
// passed over for a year.
func TestTurnsAfterAWrongClock(t *testing.T) {
	t.Parallel()
	server, clock := mongodb.Start(t), testkit.NewClock()
	f := &recountFixture{t, openAt(t, server.URI, server.Database(t).Name(), clock.Now), clock}
	t.Cleanup(func() { check(t, f.s.Close()) })
	for _, owner := range []string{"u1", "u2"} {
		for _, j := range f.create(owner, 100, 100, 100, 100) {
			check(t, j.Queue("abcd", clock.Now()))
			check(t, f.s.Jobs.Replace(t.Context(), j))
		}
	}
	convert := func(owner string) {
		t.Helper()
		id, err := f.s.Jobs.NextWaiting(t.Context(), store.Turn{})
		check(t, err)
		j, err := f.s.Jobs.Get(t.Context(), id)
		check(t, err)
		if j.Owner != owner {
			t.Errorf("it is the turn of %s, want %s", j.Owner, owner)
		}
		check(t, j.Claim("w", time.Minute, clock.Now()))
		check(t, f.s.Jobs.Replace(t.Context(), j))
		j.Rev++
		check(t, j.Finish(1, nil, nil, clock.Now()))
		check(t, f.s.Jobs.Replace(t.Context(), j))
		clock.Advance(time.Second)
	}
	now := clock.Now()
	clock.Set(now.AddDate(1, 0, 0))
	convert("u1")
	clock.Set(now)
	convert("u2")
	convert("u2")
	f.pass()
	convert("u2")
	convert("u1")
}

// expired is a context whose deadline passes when the test says so.
type expired struct{ context.Context }

func (c expired) Err() error {
	if c.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}

// TestRecountSkipsAnOwner lets the time of a call pass while it reads the jobs of an owner:
// the next call begins with that owner, and the one after it with the next owner.
func TestRecountSkipsAnOwner(t *testing.T) {
	t.Parallel()
	server, clock := mongodb.Start(t), testkit.NewClock()
	r, database := newProxy(t, server.URI), server.Database(t).Name()
	var log testkit.LogBuffer
	s, err := mongostore.Open(t.Context(), mongostore.Config{
		URI: r.uri, Database: database, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: clock.Now,
	})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	f := &recountFixture{t, s, clock}
	for _, owner := range []string{"u1", "u2", "u3"} {
		f.create(owner, 100)
	}
	clock.Advance(10 * time.Minute)
	for _, c := range []struct {
		cursor string
		reads  int // owners whose jobs are read in time
		want   string
		logged bool
	}{{"", 1, "u1", false}, {"u1", 0, "u2", true}, {"u2", 1, "", true}} {
		ctx, cancel := context.WithCancel(t.Context())
		held, resume := r.hold("find jobs", c.reads)
		go func() {
			select {
			case <-held:
			case <-ctx.Done():
			}
			cancel()
			resume()
		}()
		next, err := s.Jobs.Recount(expired{ctx}, c.cursor)
		if logged := strings.Contains(log.String(), "owner=u2"); err != nil || next != c.want || logged != c.logged {
			t.Errorf("after %q, the next owner is after %q, %v, want %q; logged is %t", c.cursor, next, err, c.want, logged)
		}
		cancel()
	}
	f.pass()
	ctx, cancel := context.WithCancel(t.Context())
	held, resume := r.hold("find jobs", 0)
	go func() {
		<-held
		cancel()
		resume()
	}()
	if next, err := s.Jobs.Recount(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a process that stops continues after %q, %v", next, err)
	}
}
