package storetest

import (
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/testkit"
)

var taskTests = []test{
	{"a task without a state is empty", taskEmpty},
	{"a state is stored completely", taskKept},
	{"Replace is a compare-and-set", taskReplace},
	{"one of several concurrent Replaces succeeds", taskRace},
}

func taskEmpty(f *fixture) {
	got, err := f.Tasks.Get(f.ctx, "sweep")
	f.ok(err)
	same(f, got, store.Task{Name: "sweep"})
}

func taskKept(f *fixture) {
	v := testkit.Filled[store.Task](f.t)
	v.Rev = 0
	f.ok(f.Tasks.Replace(f.ctx, v))
	f.reopen()
	v.Rev = 1
	got, err := f.Tasks.Get(f.ctx, v.Name)
	f.ok(err)
	same(f, got, v)
}

func taskReplace(f *fixture) {
	v := store.Task{Name: "sweep", Cursor: "a"}
	f.ok(f.Tasks.Replace(f.ctx, v))
	f.stale(f.Tasks.Replace(f.ctx, v))
	v.Rev, v.Cursor = 1, "b"
	f.ok(f.Tasks.Replace(f.ctx, v))
	f.stale(f.Tasks.Replace(f.ctx, v))
	got, err := f.Tasks.Get(f.ctx, "sweep")
	f.ok(err)
	v.Rev = 2
	same(f, got, v)
}

func taskRace(f *fixture) {
	race(f, nothing, func(round, _ int) error {
		return f.Tasks.Replace(f.ctx, store.Task{Name: "sweep", Rev: int64(round)})
	})
}
