package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

var jobListTests = []test{
	{"an empty store returns empty lists", listEmpty},
	{"List returns jobs newest first", listOrder},
	{"filters select", listFilters},
	{"identities and labels select", listIdentities},
	{"links select", listShared},
	{"jobs are found by error and age", listErrors},
	{"pages continue where the previous one ended", listPages},
	{"pages of large jobs are short", listLargeJobs},
	{"jobs with many IDs are returned in pages", listByID},
	{"a page continues after a job that was deleted", listDeletedCursor},
	{"lists reflect changes", listChanges},
	{"a page that finds nothing says where to continue", listBounded},
}

var all = store.JobFilter{}

// lists checks the IDs of a list that the limit does not cut.
func (f *fixture) lists(what string, filter store.JobFilter, want ...string) {
	f.t.Helper()
	list, next, err := f.Jobs.List(f.ctx, filter)
	f.ok(err)
	if next != nil {
		f.t.Errorf("%s: there is a next page, after %v", what, next)
	}
	if got := ids(list); !slices.Equal(got, want) {
		f.t.Errorf("%s: listed %v, want %v", what, got, want)
	}
}

func listEmpty(f *fixture) {
	f.lists("all", all)
	f.lists("an owner's", store.JobFilter{Owner: "u1", Limit: 1})
}

func listOrder(f *fixture) {
	for id, seconds := range map[string]int{"b": 0, "a": 0, "c": 0, "old": -1, "new": 1, "ancient": -3e9} {
		f.ok(f.Jobs.Create(f.ctx, job(id, seconds)))
	}
	want := []string{"new", "c", "b", "a", "old", "ancient"}
	f.lists("all", all, want...)
	f.lists("an owner's", store.JobFilter{Owner: "u1"}, want...)
	f.reopen()
	f.lists("all, after reopening", all, want...)
}

func listFilters(f *fixture) {
	for i, c := range []struct {
		id, owner string
		state     sx.State
		name      string
	}{
		{"j0", "u1", sx.StateUploading, "Lecture 1 (intro).mp4"},
		{"j1", "u1", sx.StateQueued, "lecture 2.MKV"},
		{"j2", "u2", sx.StateQueued, "LECTURE 3.mov"},
		{"j3", "u1", sx.StateDone, "Übung 50%.mp4"},
		{"j4", "u11", sx.StateDone, "talk.mp4"},
		{"j5", "u", sx.StateFailed, "a.b_c.mp4"},
	} {
		j := job(c.id, i)
		j.Owner, j.State, j.Sent.Name = c.owner, c.state, c.name
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	states := func(s ...sx.State) []sx.State { return s }
	for _, c := range []struct {
		name   string
		filter store.JobFilter
		want   []string
	}{
		{"all", all, []string{"j5", "j4", "j3", "j2", "j1", "j0"}},
		{"owner", store.JobFilter{Owner: "u1"}, []string{"j3", "j1", "j0"}},
		{"owner whose ID is a prefix of others", store.JobFilter{Owner: "u"}, []string{"j5"}},
		{"unknown owner", store.JobFilter{Owner: "u9"}, nil},
		{"state", store.JobFilter{States: states(sx.StateQueued)}, []string{"j2", "j1"}},
		{"states", store.JobFilter{States: states(sx.StateQueued, sx.StateFailed)}, []string{"j5", "j2", "j1"}},
		{"owner and states", store.JobFilter{Owner: "u1", States: states(sx.StateQueued, sx.StateDone)}, []string{"j3", "j1"}},
		{"ids", store.JobFilter{IDs: []string{"j0", "j4", "none"}}, []string{"j4", "j0"}},
		{"ids and owner", store.JobFilter{Owner: "u1", IDs: []string{"j0", "j4"}}, []string{"j0"}},
		{"part of an ID does not match", store.JobFilter{IDs: []string{"j"}}, nil},
		{"name in any case", store.JobFilter{Name: "leCTure"}, []string{"j2", "j1", "j0"}},
		{"name beyond ASCII", store.JobFilter{Name: "übUNG"}, []string{"j3"}},
		{"extension", store.JobFilter{Name: ".mp4"}, []string{"j5", "j4", "j3", "j0"}},
		{"parentheses are literal", store.JobFilter{Name: "(intro)"}, []string{"j0"}},
		{"a dot is literal", store.JobFilter{Name: "a.b"}, []string{"j5"}},
		{"dot star is literal", store.JobFilter{Name: ".*"}, nil},
		{"a percent sign is literal", store.JobFilter{Name: "5%"}, nil},
		{"an underscore is literal", store.JobFilter{Name: "b_c"}, []string{"j5"}},
		{"after", store.JobFilter{After: &store.Cursor{Created: epoch.Add(3 * time.Second), ID: "j3"}}, []string{"j2", "j1", "j0"}},
		{"after and owner", store.JobFilter{Owner: "u1", After: &store.Cursor{Created: epoch.Add(3 * time.Second), ID: "j3"}}, []string{"j1", "j0"}},
		{"limit that does not cut", store.JobFilter{Owner: "u1", Limit: 3}, []string{"j3", "j1", "j0"}},
	} {
		f.lists(c.name, c.filter, c.want...)
	}
}

func listIdentities(f *fixture) {
	for i, c := range []struct{ id, owner, identity, labels string }{
		{"j0", "u1", "audio1:aa", "x"},
		{"j1", "u1", "audio1:aa", "x y"},
		{"j2", "u2", "audio1:aa", "y"},
		{"j3", "u1", "audio1:ab", ""},
		{"j4", "u1", "", "xy"},
	} {
		j := job(c.id, i)
		j.Owner, j.Sources, j.Labels = c.owner, []sx.Source{{Name: "a.mp4", Identity: c.identity}}, strings.Fields(c.labels)
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	aa := []string{"audio1:aa"}
	for range 2 {
		f.lists("an identity", store.JobFilter{Owner: "u1", Identities: aa}, "j1", "j0")
		f.lists("an identity of all owners", store.JobFilter{Identities: aa}, "j2", "j1", "j0")
		f.lists("identities", store.JobFilter{Owner: "u1", Identities: []string{"audio1:ab", "none", "audio1:aa"}}, "j3", "j1", "j0")
		f.lists("an identity, after", store.JobFilter{Owner: "u1", Identities: aa, After: &store.Cursor{Created: epoch.Add(time.Second), ID: "j1"}}, "j0")
		f.lists("the beginning of an identity", store.JobFilter{Owner: "u1", Identities: []string{"audio1:a"}})
		f.lists("an identity and a label", store.JobFilter{Owner: "u1", Identities: aa, Labels: []string{"y"}}, "j1")
		f.lists("a label", store.JobFilter{Labels: []string{"x"}}, "j1", "j0")
		f.lists("two labels", store.JobFilter{Labels: []string{"y", "x"}}, "j1")
		f.reopen()
	}
	f.change("j3", func(j *sx.Job) { j.Sources = []sx.Source{{Identity: "audio1:aa"}} })
	f.change("j1", func(j *sx.Job) { j.Sources = nil })
	f.lists("a changed identity", store.JobFilter{Owner: "u1", Identities: aa}, "j3", "j0")
	j, err := f.Jobs.Get(f.ctx, "j0")
	f.ok(err)
	f.ok(f.Jobs.Delete(f.ctx, j))
	f.lists("a deleted job's identity", store.JobFilter{Owner: "u1", Identities: aa}, "j3")
}

func listShared(f *fixture) {
	for i, owner := range []string{"u1", "u1", "u2"} {
		j := job(fmt.Sprintf("j%d", i), i)
		j.Owner, j.State = owner, sx.StateDone
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	f.lists("no link", store.JobFilter{Shared: true})
	share := []sx.Share{{ID: "a", Hash: "aa", Created: epoch, Expires: epoch.Add(time.Hour)}}
	for _, id := range []string{"j0", "j2"} {
		f.change(id, func(j *sx.Job) { j.Shares = share })
	}
	for range 2 {
		f.lists("links", store.JobFilter{Shared: true}, "j2", "j0")
		f.lists("an owner's links", store.JobFilter{Shared: true, Owner: "u1"}, "j0")
		f.lists("all jobs of an owner", store.JobFilter{Owner: "u1"}, "j1", "j0")
		f.reopen()
	}
	f.change("j0", func(j *sx.Job) { j.Shares = nil })
	f.lists("a revoked link", store.JobFilter{Shared: true}, "j2")
}

func listErrors(f *fixture) {
	for i, c := range []struct {
		id, owner string
		state     sx.State
		code      sx.Code
	}{
		{"j0", "u1", sx.StateFailed, sx.CodeNoAudio},
		{"j1", "u2", sx.StateFailed, sx.CodeNoAudio},
		{"j2", "u1", sx.StateFailed, sx.CodeUnreadable},
		{"j3", "u1", sx.StateQueued, sx.CodeNoAudio},
		{"j4", "u1", sx.StateDone, ""},
	} {
		j := job(c.id, i)
		if j.Owner, j.State = c.owner, c.state; c.code != "" {
			j.Error = sx.NewError(c.code, "broken")
		}
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	failed, since := []sx.State{sx.StateFailed}, epoch.Add(2*time.Second)
	for range 2 {
		f.lists("a code", store.JobFilter{Code: sx.CodeNoAudio}, "j3", "j1", "j0")
		f.lists("a code and a state", store.JobFilter{Code: sx.CodeNoAudio, States: failed}, "j1", "j0")
		f.lists("a code and an owner", store.JobFilter{Code: sx.CodeNoAudio, Owner: "u1"}, "j3", "j0")
		f.lists("a code that no job has", store.JobFilter{Code: sx.CodeTruncated})
		f.lists("since", store.JobFilter{Since: since}, "j4", "j3", "j2")
		f.lists("since and a code", store.JobFilter{Since: since, Code: sx.CodeNoAudio}, "j3")
		f.lists("since and a state", store.JobFilter{Since: since, States: failed}, "j2")
		f.lists("since, an owner and after", store.JobFilter{Since: since, Owner: "u1", After: &store.Cursor{Created: epoch.Add(3 * time.Second), ID: "j3"}}, "j2")
		f.lists("since and ids", store.JobFilter{Since: since, IDs: []string{"j1", "j2"}}, "j2")
		f.reopen()
	}
	f.change("j0", func(j *sx.Job) { j.State, j.Error = sx.StateQueued, nil })
	f.lists("after a retry", store.JobFilter{Code: sx.CodeNoAudio}, "j3", "j1")
}

func listPages(f *fixture) {
	var want []string
	for i := range 10 {
		j := job("j"+string(rune('0'+i)), i/4) // four have the same time
		if i%2 == 0 {
			j.State = sx.StateQueued
			want = append([]string{j.ID}, want...)
		}
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	for _, limit := range []int{1, 2, 3, 4} {
		filter := store.JobFilter{Owner: "u1", States: []sx.State{sx.StateQueued}, Limit: limit}
		var got []string
		for more := true; more; more = filter.After != nil {
			list, next, err := f.Jobs.List(f.ctx, filter)
			f.ok(err)
			if len(list) == 0 || len(list) > limit || next != nil && len(list) < limit {
				f.t.Fatalf("limit %d: a page of %d jobs, next %v", limit, len(list), next)
			}
			got, filter.After = append(got, ids(list)...), next
		}
		same(f, got, want)
	}
}

// listLargeJobs lists jobs whose records have half a megabyte each.
func listLargeJobs(f *fixture) {
	var want []string
	for i := range 12 {
		j := job(fmt.Sprintf("j%02d", i), i)
		j.Check = epoch
		for n := range sx.MaxTracks {
			j.Tracks = append(j.Tracks, sx.Track{Number: n + 1, ID: fmt.Sprintf("%s-%d", j.ID, n), Title: strings.Repeat("a", 1000), Album: strings.Repeat("b", 1000)})
		}
		f.ok(f.Jobs.Create(f.ctx, j))
		want = append([]string{j.ID}, want...)
	}
	byID := slices.Clone(want)
	slices.Sort(byID) // the oldest first
	for _, filter := range []store.JobFilter{{Owner: "u1"}, {Name: ".mp4"}, {Owner: "u1", Limit: 10}, {IDs: byID, Limit: 10}} {
		var got []string
		for more := true; more; more = filter.After != nil {
			list, next, err := f.Jobs.List(f.ctx, filter)
			f.ok(err)
			if size := 2000 * sx.MaxTracks * len(list); len(list) == 0 || size > store.MaxPageBytes {
				f.t.Fatalf("%+v: a page of %d jobs, %d bytes", filter, len(list), size)
			}
			got, filter.After = append(got, ids(list)...), next
		}
		same(f, got, want)
	}
	f.dueLargeJobs(want)
	huge, err := f.Jobs.Get(f.ctx, "j11")
	f.ok(err)
	for i := range huge.Tracks {
		huge.Tracks[i].Title = strings.Repeat("a", store.MaxPageBytes/200)
	}
	f.ok(f.Jobs.Replace(f.ctx, huge))
	list, next, err := f.Jobs.List(f.ctx, store.JobFilter{Owner: "u1"})
	f.ok(err)
	if len(list) != 1 || list[0].ID != "j11" || next == nil {
		f.t.Errorf("a job that is larger than a page: %v, next %v", ids(list), next)
	}
}

// listByID asks for jobs of which some nearly fill a page each, and for some that do not exist.
func listByID(f *fixture) {
	var wanted, want []string
	for i := range 12 {
		j := job(fmt.Sprintf("j%02d", i), i*7%5) // their IDs are not in the order of their times
		wanted = append(wanted, j.ID, "none"+j.ID)
		if i%3 == 0 {
			j.Owner = "u2"
		}
		if i%4 == 1 {
			j.Tracks = []sx.Track{{Number: 1, Title: strings.Repeat("a", store.MaxPageBytes*2/3)}}
		}
		f.ok(f.Jobs.Create(f.ctx, j))
		if j.Owner == "u1" {
			want = append(want, j.ID)
		}
	}
	var got []string
	for j, err := range store.JobsByID(f.ctx, f.Jobs, "u1", append(wanted, wanted...)) {
		f.ok(err)
		got = append(got, j.ID)
	}
	slices.Sort(got)
	same(f, got, want)
	for j, err := range store.JobsByID(f.ctx, f.Jobs, "", nil) {
		f.t.Errorf("without IDs: %+v, %v", j, err)
	}
}

// dueLargeJobs handles the jobs a page after another.
func (f *fixture) dueLargeJobs(want []string) {
	var got []string
	for len(got) < len(want) {
		list, err := f.Jobs.Due(f.ctx, sx.ActionUpload, epoch, 100)
		f.ok(err)
		if size := 2000 * sx.MaxTracks * len(list); len(list) == 0 || size > store.MaxPageBytes {
			f.t.Fatalf("%d jobs are due, %d bytes", len(list), size)
		}
		for _, j := range list {
			f.change(j.ID, func(j *sx.Job) { j.Check = epoch.Add(time.Hour) })
			got = append(got, j.ID)
		}
	}
	slices.Reverse(got)
	same(f, got, want)
}

func listDeletedCursor(f *fixture) {
	for i, id := range []string{"a", "b", "c"} {
		f.ok(f.Jobs.Create(f.ctx, job(id, i)))
	}
	b, err := f.Jobs.Get(f.ctx, "b")
	f.ok(err)
	f.ok(f.Jobs.Delete(f.ctx, b))
	f.lists("after the deleted one", store.JobFilter{After: &store.Cursor{Created: b.Created, ID: b.ID}}, "a")
}

func listChanges(f *fixture) {
	f.ok(f.Jobs.Create(f.ctx, job("a", 0)))
	f.ok(f.Jobs.Create(f.ctx, job("b", 1)))
	f.change("a", func(j *sx.Job) { j.State, j.Sent.Name = sx.StateQueued, "renamed.mp4" })
	f.lists("the new state", store.JobFilter{Owner: "u1", States: []sx.State{sx.StateQueued}}, "a")
	f.lists("the old state", store.JobFilter{Owner: "u1", States: []sx.State{sx.StateUploading}}, "b")
	f.lists("the new name", store.JobFilter{Name: "renamed"}, "a")
	f.lists("all", all, "b", "a")
}

func listBounded(f *fixture) {
	const jobs = store.MaxExamined + 10
	f.ok(f.Jobs.Create(f.ctx, job("wanted", -1)))
	var group errgroup.Group
	group.SetLimit(16)
	for i := range jobs {
		group.Go(func() error { return f.Jobs.Create(f.ctx, job(fmt.Sprintf("j%04d", i), i/10)) })
	}
	f.ok(group.Wait())
	for _, filter := range []store.JobFilter{
		{Owner: "u1", Name: "WANTED"},
		{Name: "wanted", Limit: 5},
		{Owner: "u1", Name: "wanted", States: []sx.State{sx.StateUploading, sx.StateQueued}, Limit: 1},
		{Name: "wanted", States: []sx.State{sx.StateUploading}},
	} {
		list, next, err := f.Jobs.List(f.ctx, filter)
		f.ok(err)
		if len(list) != 0 || next == nil {
			f.t.Fatalf("%+v: the first page has %v, next %v", filter, ids(list), next)
		}
		filter.After = next
		f.lists("the second page", filter, "wanted")
	}
	filter, seen := store.JobFilter{Owner: "u1", Name: "j", Limit: 400}, map[string]bool{}
	for more := true; more; more = filter.After != nil {
		list, next, err := f.Jobs.List(f.ctx, filter)
		f.ok(err)
		for _, j := range list {
			if seen[j.ID] {
				f.t.Errorf("%s is on two pages", j.ID)
			}
			seen[j.ID] = true
		}
		filter.After = next
	}
	if len(seen) != jobs {
		f.t.Errorf("the pages have %d jobs, want %d", len(seen), jobs)
	}
}
