package acceptance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/acceptance/programs"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestCrashes kills sxd at random moments while videos are uploaded and converted:
// every job must end done, exactly once, with the MP3 of an undisturbed run.
func TestCrashes(t *testing.T) {
	t.Parallel()
	build(t)
	crashJobs, crashKills, seconds := 10, 20, 120
	if testkit.IsLong() {
		crashJobs, crashKills, seconds = 20, 100, 180
	}
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	defer cancel()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	videos := testkit.MakeVideos(t, slices.Repeat([]int{seconds}, crashJobs)...) // so long that kills hit the uploads

	undisturbed := newUser(t, ctx)
	undisturbed.sx(append([]string{"upload", "--json"}, videos...)...)
	want := undisturbed.digests()

	disturbed := newUser(t, ctx)
	uploaded := make(chan string, 1)
	go func() { // one sx survives all kills
		out, err := disturbed.command(append([]string{"upload", "--json", "--parallel", "4"}, videos...)...).Output()
		if err != nil {
			out = fmt.Append(out, err)
		}
		uploaded <- string(out)
	}()
	during := map[sx.State]int{}
	for n := range crashKills {
		pause := time.NewTimer(time.Duration(50+random.IntN(700)) * time.Millisecond)
		<-pause.C
		for _, j := range disturbed.jobs() {
			during[j.State]++
		}
		if !programs.Kill(disturbed.data) {
			t.Fatalf("kill %d: no sxd to kill", n)
		}
		disturbed.up()
	}
	lines := strings.Fields(strings.TrimSpace(<-uploaded))
	if len(lines) != crashJobs {
		t.Fatalf("sx upload printed %d lines, want %d:\n%s", len(lines), crashJobs, strings.Join(lines, "\n"))
	}
	got := disturbed.digests()

	if !maps.Equal(got, want) {
		t.Errorf("digests after %d kills differ from the undisturbed run:\n%v\n%v", crashKills, got, want)
	}
	if list := disturbed.jobs(); len(list) != crashJobs {
		t.Errorf("%d jobs, want %d", len(list), crashJobs)
	}
	t.Logf("%d kills; jobs seen at the kills by state: %v", crashKills, during)
}

// user is the owner of an sxd of their own.
type user struct {
	t          *testing.T
	ctx        context.Context
	home, data string
	addr       string
}

func newUser(t *testing.T, ctx context.Context) *user {
	t.Helper()
	home := t.TempDir()
	addr, err := testkit.FreeAddr() // the same after each crash
	if err != nil {
		t.Fatal(err)
	}
	p := &user{t: t, ctx: ctx, home: home, data: filepath.Join(home, "data"), addr: addr}
	t.Cleanup(func() { programs.Kill(p.data) })
	p.up()
	return p
}

func (p *user) command(args ...string) *exec.Cmd { return bin.Command(p.ctx, p.home, args...) }

func (p *user) sx(args ...string) string {
	p.t.Helper()
	cmd := p.command(args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(p.data, "sxd.log"))
		p.t.Fatalf("sx %s: %v\n%s\n%s\nsxd.log ends:\n%s", strings.Join(args, " "), err, out, stderr.String(), log[max(0, len(log)-4000):])
	}
	return string(out)
}

func (p *user) up() { p.t.Helper(); p.sx("up", "--detach", "--addr", p.addr, "--data", p.data) }

func (p *user) jobs() []api.Job {
	p.t.Helper()
	var list []api.Job
	if err := json.Unmarshal([]byte(p.sx("jobs", "--json", "--limit", "500")), &list); err != nil {
		p.t.Fatal(err)
	}
	return list
}

// digests waits for all jobs, downloads all MP3s and returns their digests by the
// videos' names.
func (p *user) digests() map[string]string {
	p.t.Helper()
	p.sx("watch")
	dir := p.t.TempDir()
	p.sx("download", "--all", "-o", dir)
	digests := map[string]string{}
	for _, j := range p.jobs() {
		if j.State != sx.StateDone || j.Track(1) == nil {
			p.t.Fatalf("job %s of %s is %s: %+v", j.ID, j.Name, j.State, j.Error)
		}
		if digests[j.Name] != "" {
			p.t.Errorf("%s was converted twice", j.Name)
		}
		digests[j.Name] = j.Track(1).SHA256
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		p.t.Fatal(err)
	}
	if len(files) != len(digests) {
		p.t.Errorf("%d MP3s were downloaded for %d jobs", len(files), len(digests))
	}
	tracks, err := filepath.Glob(filepath.Join(p.data, "tracks", "*", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	if len(tracks) != len(digests) {
		p.t.Errorf("%d tracks are stored for %d jobs", len(tracks), len(slices.Collect(maps.Keys(digests))))
	}
	return digests
}
