package root_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

var created = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func job(id, name string, state sx.State) sx.Job {
	return sx.Job{
		ID: id, State: state, Attempt: 1, Created: created, Updated: created,
		Sent: sx.Sent{Name: name, Size: 4_200_000_000},
	}
}

func TestJobsPiped(t *testing.T) {
	server := signIn(t)
	run(t, "jobs").want(t, 0, "", "no jobs yet; upload a video with: sx upload FILE\n")
	run(t, "jobs", "--json").want(t, 0, "[]\n", "")
	running := job("aaaa", "a very long name of a lecture about sound in rooms and what to do about it.mp4", sx.StateRunning)
	running.Progress = 41.66
	failed, labelled := job("bbbb", "b.mp4", sx.StateFailed), job("cccc", "c.mp4", sx.StateDone)
	failed.Error, labelled.Labels = sx.NewError(sx.CodeNoAudio, "there is no sound"), []string{"maths", "week 1"}
	failed.Ended = time.Date(2099, 3, 4, 5, 6, 7, 0, time.UTC)
	server.AddJobs("anna", running, failed, labelled)
	a := "aaaa\t" + running.Sent.Name + "\trunning\t41.7\t4200000000\t2026-03-04T05:06:07Z\t\t\n"
	b := "bbbb\tb.mp4\tfailed\t0.0\t4200000000\t2026-03-04T05:06:07Z\tthere is no sound\t2099-04-03T05:06:07Z\n"
	c := "cccc\tc.mp4\tdone\t0.0\t4200000000\t2026-03-04T05:06:07Z\t\t\n"
	run(t, "jobs").want(t, 0, c+b+a, "")
	run(t, "ls", "--state", "failed", "--state", "done").want(t, 0, c+b, "")
	run(t, "jobs", "--name", "lecture").want(t, 0, a, "")
	run(t, "jobs", "--label", "week 1", "--label", "maths").want(t, 0, c, "")
	run(t, "jobs", "--label", "physics").want(t, 0, "", "no matching jobs\n")
	run(t, "jobs", "--name", "opera").want(t, 0, "", "no matching jobs\n")
	// page returns the cursor after the first page, which has the given lines.
	page := func(limit, lines string) string {
		r := run(t, "jobs", "--limit", limit)
		next := regexp.MustCompile(`^more jobs: continue with --after (\S+), or show all with --all\n$`).FindStringSubmatch(r.errOut)
		if r.code != 0 || r.out != lines || next == nil || len(next[1]) > 26 {
			t.Fatalf("the first page is %+v", r)
		}
		return next[1]
	}
	run(t, "jobs", "--limit", "2", "--after", page("1", c)).want(t, 0, b+a, "")
	last := page("2", c+b)
	server.Forget("aaaa")
	run(t, "jobs", "--after", last).want(t, 0, "", "no more jobs\n")
}

func TestJobsJSONIsTheWire(t *testing.T) {
	server := signIn(t)
	full := job("aaaa", "a&b.mp4", sx.StateFailed)
	full.Error = &sx.Error{Code: sx.CodeNoAudio, Message: "no sound", Hint: "check it"}
	full.Tracks = []sx.Track{{Number: 1, Size: 5, SHA256: strings.Repeat("00", 32), Duration: 1500 * time.Millisecond}}
	server.AddJobs("anna", full)
	r := run(t, "jobs", "--json")
	var got []api.Job
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got) != 1 {
		t.Fatalf("%v: %s", err, r.out)
	}
	one := run(t, "show", "aaaa", "--json")
	shown := strings.Replace(strings.TrimSpace(one.out), `,"history":{"attempts":[]}`, "", 1) // only of one job
	if "["+shown+"]" != strings.TrimSpace(r.out) || !strings.Contains(r.out, `"a&b.mp4"`) {
		t.Errorf("show and jobs differ:\n%s%s", one.out, r.out)
	}
}

func TestAllJobsOverManyPages(t *testing.T) {
	server := signIn(t)
	const n = api.MaxLimit + 3
	for range n {
		server.AddJobs("anna", job(sx.NewID(), "v.mp4", sx.StateDone))
	}
	for args, want := range map[string]int{"": 30, "--all": n, fmt.Sprint("--limit ", api.MaxLimit+1): api.MaxLimit + 1} {
		r := run(t, append([]string{"jobs"}, strings.Fields(args)...)...)
		if got := strings.Count(r.out, "\n"); r.code != 0 || got != want {
			t.Errorf("%q: %d jobs, exit %d, want %d", args, got, r.code, want)
		}
	}
	r := run(t, "rm", "--older-than", "7d", "--dry-run")
	if got := strings.Count(r.out, "\twould be removed\t"); r.code != 0 || got != n {
		t.Errorf("rm: %d jobs, exit %d, want %d", got, r.code, n)
	}
}

func TestJobsAtATerminal(t *testing.T) {
	server := signIn(t)
	done := job("bbbb", "b.mp4", sx.StateDone)
	done.Progress, done.Created = 100, time.Now().Add(-3*time.Minute-5*time.Second)
	server.AddJobs("anna", done, job("aaaaaaaaaaaaaaaa", "a very long name of a lecture about sound in rooms and more.mp4", sx.StateQueued))
	colour := func(s *term.IOStreams) { terminal(s); s.Color = true }
	for _, set := range []func(*term.IOStreams){terminal, colour} {
		r := sxIn(t, "", set, "jobs")
		r.wantPart(t, 0, "ID                NAME", "STATE     SIZE", "    4.2 GB    3m\n", "queued  4.2 GB", "a very long", "more.mp4")
		plain := strings.NewReplacer("\x1b[32m", "", "\x1b[0m", "").Replace(r.out)
		for line := range strings.Lines(plain) {
			if w := len([]rune(strings.TrimSuffix(line, "\n"))); w > 80 {
				t.Errorf("%d columns: %s", w, line)
			}
		}
		if !strings.Contains(r.out, "…") {
			t.Error("the long name is not shortened")
		}
	}
	sxIn(t, "", colour, "jobs").wantPart(t, 0, "\x1b[32mdone\x1b[0m")
	if r := sxIn(t, "", terminal, "jobs"); strings.Contains(r.out, "REASON") {
		t.Errorf("no job failed:\n%s", r.out)
	}
	failed := job("cccccccccccccccc", "c.mp4", sx.StateFailed)
	failed.Error = sx.NewError(sx.CodeNoAudio, "there is no sound")
	server.AddJobs("anna", failed)
	sxIn(t, "", terminal, "jobs").wantPart(t, 0, "  STATE     SIZE   AGE  REASON\n", "  failed  4.2 GB  ", "  there is no sound\n")

	// There is room for the end of its time beside the reasons, or without them.
	failed.ID, failed.Ended = "dddddddddddddddd", time.Date(2099, 3, 4, 12, 0, 0, 0, time.UTC)
	server.AddJobs("anna", failed)
	streams, screen := term.TestTerminal("", 100, 24)
	code := root.Main(t.Context(), []string{"jobs"}, streams)
	result{code, string(screen.Bytes()), ""}.wantPart(t, 0, "  REASON             KEPT UNTIL\n", "  there is no sound  2099-04-03\n")
	if r := sxIn(t, "", terminal, "jobs"); strings.Contains(r.out, "KEPT") || !strings.Contains(r.out, "there is no sound") {
		t.Errorf("at 80 columns:\n%s", r.out)
	}
	cancelled := failed
	cancelled.ID, cancelled.State, cancelled.Error = "eeeeeeeeeeeeeeee", sx.StateCancelled, nil
	server.AddJobs("anna", cancelled)
	sxIn(t, "", terminal, "jobs", "--state", "cancelled").wantPart(t, 0, "AGE  KEPT UNTIL\n", "  2099-04-03\n")
}

func TestShow(t *testing.T) {
	server := signIn(t)
	failed := job("aaaa", "a.mp4", sx.StateFailed)
	failed.Attempt = 4
	failed.Error = &sx.Error{Code: sx.CodeConversionFailed, Message: "ffmpeg failed", Hint: sx.CodeConversionFailed.Hint()}
	done := job("bbbb", "b.mp4", sx.StateDone)
	done.Sent.SHA256 = strings.Repeat("1", 64)
	done.Tracks = []sx.Track{{Number: 1, Size: 24_000_000, SHA256: strings.Repeat("2", 64), Duration: 3723400 * time.Millisecond}}
	running := job("cccc", "c.mp4", sx.StateRunning)
	running.Progress, running.Remaining = 42.4, 70*time.Second
	server.AddJobs("anna", failed, done, running)
	run(t, "show", "aaaa").wantPart(t, 0, "attempt     4\n", "error       ffmpeg failed (conversion_failed)\n", "hint        try again with: sx retry aaaa\n")
	run(t, "show", "bbbb", "cccc").wantPart(t, 0, "sent        4.2 GB\n", "  sha256    "+strings.Repeat("1", 64),
		"mp3         1:02:03, 24 MB, 52 kbit/s\n", "\n\nid          cccc\n", "progress    42%, 1:10 left\n")
}

func TestSeveralJobs(t *testing.T) {
	server := signIn(t)
	cancelled := job("aaaa", "a.mp4", sx.StateRunning)
	cancelled.Sent.SHA256 = strings.Repeat("1", 64)
	server.AddJobs("anna", cancelled, job("bbbb", "b.mp4", sx.StateDone), job("cccc", "c.mp4", sx.StateQueued))
	run(t, "cancel", "aaaa", "none", "bbbb", "cccc", "aaaa").want(t, 65,
		"aaaa\tcancelled\ta.mp4\ncccc\tcancelled\tc.mp4\n",
		"error: job none not found\nhint: check the ID with: sx jobs\n"+
			"error: job bbbb is done and cannot be cancelled\nhint: check the job's state with: sx show bbbb\n")
	run(t, "retry", "aaaa", "--json").wantPart(t, 0, `{"id":"aaaa","name":"a.mp4","state":"queued"`)
	run(t, "rm", "bbbb", "none", "--json", "--yes").want(t, 65, `{"id":"bbbb","removed":true}`+"\n",
		`{"error":{"code":"not_found","message":"job none not found","hint":"check the ID with: sx jobs"}}`+"\n")
	server.EndSessions("anna")
	r := run(t, "show", "aaaa", "cccc")
	if r.wantPart(t, 77, "has ended"); strings.Count(r.errOut, "error:") != 1 {
		t.Errorf("one problem is reported several times:\n%s", r.errOut)
	}
}

func TestRemoveAsksAtATerminal(t *testing.T) {
	server := signIn(t)
	server.AddJobs("anna", job("aaaa", "a.mp4", sx.StateDone), job("bbbb", "b.mp4", sx.StateDone))
	sxIn(t, "n\n", terminal, "rm", "aaaa").want(t, 0, "", "Remove job aaaa with its video and MP3? [y/N] nothing was removed\n")
	sxIn(t, "\n", terminal, "rm", "aaaa", "bbbb").wantPart(t, 0, "Remove 2 jobs with their videos and MP3s?", "nothing was removed")
	sxIn(t, "", terminal, "rm", "aaaa").wantPart(t, 65, "no answer given")
	sxIn(t, "yes\n", terminal, "rm", "aaaa").wantPart(t, 0, "aaaa  removed")
	sxIn(t, "", terminal, "rm", "bbbb", "--yes").wantPart(t, 0, "bbbb  removed")
}

func TestRemoveByFlags(t *testing.T) {
	server := signIn(t)
	recent := job("eeee", "e.mp4", sx.StateFailed)
	recent.Created, recent.Labels = time.Now(), []string{"x"}
	labelled := job("dddd", "d.mp4", sx.StateDone)
	labelled.Labels = []string{"x"}
	server.AddJobs("anna", job("aaaa", "a.mp4", sx.StateDone), job("bbbb", "b.mp4", sx.StateFailed), job("cccc", "c.mp4", sx.StateQueued), labelled, recent)
	run(t, "rm", "--older-than", "7d").want(t, 64, "", "error: removing 3 jobs requires --yes if sx cannot ask for confirmation\n"+
		"usage: sx rm {JOB... | --older-than TIME | --state STATE | --label LABEL} [flags]\nhint: add --yes, or see what would be removed with --dry-run\n")
	run(t, "rm", "aaaa").wantPart(t, 64, "removing 1 job requires --yes")
	run(t, "rm", "--older-than", "7d", "--dry-run").want(t, 0, "dddd\twould be removed\td.mp4\nbbbb\twould be removed\tb.mp4\naaaa\twould be removed\ta.mp4\n", "")
	run(t, "rm", "--older-than", "7d", "--state", "queued", "--dry-run", "--json").want(t, 0, `{"id":"cccc","name":"c.mp4","removed":false}`+"\n", "")
	run(t, "rm", "--state", "failed", "--label", "y", "--yes").want(t, 0, "", "no matching jobs\n")
	run(t, "rm", "--state", "failed", "--older-than", "7d", "--yes").want(t, 0, "bbbb\tremoved\n", "")
	run(t, "rm", "--label", "x", "-y").want(t, 0, "eeee\tremoved\ndddd\tremoved\n", "")
	if n := len(server.Jobs()); n != 2 {
		t.Errorf("%d jobs remain, want 2", n)
	}
	run(t, "rm").wantPart(t, 64, "job required")
}

// TestNamesInsteadOfIDs checks every command that takes jobs.
func TestNamesInsteadOfIDs(t *testing.T) {
	server := signIn(t)
	server.AddJobs("anna", job("aaaa", "talk.mp4", sx.StateFailed), job("bbbb", "week1/intro.mp4", sx.StateQueued),
		job("cccc", "week2/intro.mp4", sx.StateDone), job("dddd", "twice.mp4", sx.StateDone), job("eeee", "twice.mp4", sx.StateFailed))
	run(t, "show", "talk.mp4", "week1/intro.mp4").wantPart(t, 0, "id          aaaa\n", "id          bbbb\n")
	run(t, "show", "videos/week2/intro.mp4").wantPart(t, 0, "id          cccc\n")
	run(t, "cancel", "week1/intro.mp4").want(t, 0, "bbbb\tcancelled\tweek1/intro.mp4\n", "")
	run(t, "edit", "./talk.mp4", "--label", "x").want(t, 0, "aaaa\tfailed\ttalk.mp4\n", "")
	run(t, "show", "talk.mp4", "--json").wantPart(t, 0, `"labels":["x"]`)
	r := run(t, "rm", "--yes", "talk.mp4", "twice.mp4", "alk.mp4", "intro.mp4")
	r.wantPart(t, 65, "error: 2 jobs are named twice.mp4: eeee (failed, ", ", dddd (done, ", "hint: use the ID of one of them\n",
		"error: job alk.mp4 not found\n", "error: 2 jobs are named intro.mp4: cccc (done, ")
	if r.out != "aaaa\tremoved\n" || len(server.Jobs()) != 4 {
		t.Errorf("removed were %q; %d jobs remain", r.out, len(server.Jobs()))
	}
	run(t, "__complete", "show", "tw").wantPart(t, 0, "twice.mp4\tfailed\n")
}

// TestWhatCannotBeAJob checks arguments that would change the path of a request.
func TestWhatCannotBeAJob(t *testing.T) {
	server := signIn(t)
	server.AddJobs("anna", job("aaaa", "talk.mp4", sx.StateDone))
	for arg, shown := range map[string]string{"": `""`, ".": ".", "..": "..", "/": "/", "../uploads": "../uploads", "a\x1b[2Jb": "a[2Jb"} {
		notFound := "error: job " + shown + " not found\nhint: check the ID with: sx jobs\n"
		for _, command := range []string{"show", "cancel", "retry", "watch", "download"} {
			if r := run(t, command, arg); r.code != 65 || !strings.Contains(r.errOut, "job "+shown+" not found\n") {
				t.Errorf("%s %q: got %+v", command, arg, r)
			}
		}
		run(t, "share", "create", arg).want(t, 65, "", notFound)
		run(t, "rm", arg, "--yes").want(t, 65, "", notFound)
		if r := run(t, "show", arg, "aaaa"); r.errOut != notFound || !strings.HasPrefix(r.out, "id          aaaa\n") {
			t.Errorf("the job after %q: got %+v", arg, r)
		}
	}
}

func TestCompletionOfIDs(t *testing.T) {
	server := signIn(t)
	server.AddJobs("anna", job("aaaa", "a.mp4", sx.StateFailed), job("abbb", "b.mp4", sx.StateDone), job("cccc", "c.mp4", sx.StateRunning))
	run(t, "__complete", "show", "").wantPart(t, 0, "cccc\tc.mp4 (running)\nabbb\tb.mp4 (done)\naaaa\ta.mp4 (failed)\n:36\n")
	run(t, "__complete", "show", "aaaa", "a").wantPart(t, 0, "abbb\tb.mp4 (done)\n:36\n")
	run(t, "__complete", "retry", "").wantPart(t, 0, "aaaa\ta.mp4 (failed)\n:36\n")
	run(t, "__complete", "jobs", "--state", "").wantPart(t, 0, "uploading\n", "expired\n")
	run(t, "__complete", "help", "exit").wantPart(t, 0, "exit-codes")
	t.Setenv("SX_SERVER", "http://127.0.0.1:1")
	if r := run(t, "__complete", "show", ""); r.code != 0 || r.out != ":4\n" {
		t.Errorf("without a server: %+v", r)
	}
	if r := run(t, "__complete", "show", "--server", server.URL, ""); !strings.Contains(r.out, "aaaa") {
		t.Errorf("--server does not count: %+v", r)
	}
}

func TestCompletionScripts(t *testing.T) {
	home(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		run(t, "completion", shell).wantPart(t, 0, "__complete")
	}
}
