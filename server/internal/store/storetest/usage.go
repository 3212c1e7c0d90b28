package storetest

import "github.com/soundextract/sx/server/sx"

var usageTests = []test{
	{"what each state takes up", usageStates},
	{"only the owner's jobs count", usageOwner},
	{"large numbers are added up exactly", usageLarge},
}

func (f *fixture) usage(owner string, want int64) {
	f.t.Helper()
	got, err := f.Jobs.Usage(f.ctx, owner)
	f.ok(err)
	if got != want {
		f.t.Errorf("usage of %s is %d, want %d", owner, got, want)
	}
}

func usageStates(f *fixture) {
	for _, c := range []struct {
		name  string
		state sx.State
		whole bool // the video was stored completely
		track int64
		want  int64
	}{
		{"uploading", sx.StateUploading, false, 0, 1000},
		{"queued", sx.StateQueued, true, 0, 1000},
		{"running", sx.StateRunning, true, 0, 1000},
		{"done", sx.StateDone, true, 70, 1070},
		{"failed", sx.StateFailed, true, 0, 1000},
		{"cancelled while it was uploaded", sx.StateCancelled, false, 0, 0},
		{"cancelled later", sx.StateCancelled, true, 0, 1000},
		{"expired", sx.StateExpired, false, 0, 0},
	} {
		j := job("job "+c.name, 0)
		j.Owner, j.State, j.Video.Size = "owner of "+c.name, c.state, 1000
		if c.whole {
			j.Video.SHA256 = "abcd"
		}
		if c.track > 0 {
			j.Track = &sx.Track{ID: "t", Size: c.track}
		}
		f.ok(f.Jobs.Create(f.ctx, j))
		f.usage(j.Owner, c.want)
	}
}

func usageOwner(f *fixture) {
	f.usage("u1", 0)
	for i, owner := range []string{"u1", "u2", "u1", "u11"} {
		j := job("j"+string(rune('0'+i)), i)
		j.Owner, j.Video.Size = owner, 1<<i
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	f.usage("u1", 1+4)
	f.change("j0", func(j *sx.Job) { j.State = sx.StateCancelled })
	f.usage("u1", 4)
	j, err := f.Jobs.Get(f.ctx, "j2")
	f.ok(err)
	f.ok(f.Jobs.Delete(f.ctx, j))
	f.usage("u1", 0)
	f.usage("u2", 2)
}

func usageLarge(f *fixture) {
	const size = 1<<53 + 1 // a float64 would round it
	j := job("j1", 0)
	j.Video.Size = size
	f.ok(f.Jobs.Create(f.ctx, j))
	f.ok(f.Jobs.Create(f.ctx, job("j2", 1)))
	f.usage("u1", size+100)
}
