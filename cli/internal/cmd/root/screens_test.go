package root_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

var daysOld = regexp.MustCompile(`[0-9]{3}d`) // today's date changes it

// TestScreens compares what people see at terminals of 40, 80 and 120 columns, and what
// a program gets.
func TestScreens(t *testing.T) {
	server := signIn(t)
	failed := job("bbbbbbbbbbbbbbbb", "week1/Lecture 02 - Introduction to Rooms.mp4", sx.StateFailed)
	failed.Error = sx.NewError(sx.CodeNoAudio, "there is no audio in the video")
	done := job("aaaaaaaaaaaaaaaa", "week1/Lecture 01 - Introduction to Acoustics.mp4", sx.StateDone)
	done.Progress = 100
	server.AddJobs("anna", done, failed, job("cccccccccccccccc", "talk.mkv", sx.StateRunning))
	size, uploads, perDay, week, forever := int64(50<<30), 10, 200, int64(7*24*3600), int64(0)
	created := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	anna := api.Account{User: api.User{Name: "anna", Created: created}, Limits: &api.Limits{
		Bytes: &size, Uploads: &uploads, JobsPerDay: &perDay, KeepVideos: &week, KeepTracks: &forever,
	}}
	answers := map[string]any{ // these require an administrator
		"GET " + api.PathUsers: api.UserList{Users: []api.Account{anna, {User: api.User{Name: "root", Admin: true, Created: created}}}},
		"PATCH " + strings.Replace(api.PathLimits, "{name}", "anna", 1): anna,
	}
	maps.Copy(answers, adminWork(created))
	answer(server, answers)
	for name, args := range map[string][]string{
		"admin jobs":       {"admin", "jobs"},
		"admin usage":      {"admin", "usage"},
		"admin queue":      {"admin", "queue"},
		"users":            {"admin", "users"},
		"set quota":        {"admin", "set-quota", "anna", "--bytes", "50GiB"},
		"quota of nothing": {"admin", "set-quota", "anna"},
		"front page":       {},
		"help":             {"help"},
		"help convert":     {"help", "convert"},
		"jobs":             {"jobs"},
		"show":             {"show", "bbbbbbbbbbbbbbbb"},
		"no such job":      {"show", "dddddddddddddddd"},
		"wrong flag":       {"convert", "--nosuchflag"},
	} {
		for _, width := range []int{40, 80, 120} {
			streams, out := term.TestTerminal("", width, 100)
			root.Main(t.Context(), args, streams)
			text := clitest.Screen(t, out.Bytes(), width, 100)
			clitest.Golden(t, fmt.Sprintf("%s-%d", strings.ReplaceAll(name, " ", "-"), width), daysOld.ReplaceAllString(text, "NNNd"))
		}
		r := run(t, args...)
		text := fmt.Sprintf("%s--- stderr\n%s", r.out, r.errOut)
		clitest.Golden(t, strings.ReplaceAll(name, " ", "-")+"-pipe", daysOld.ReplaceAllString(text, "NNNd"))
	}
}

// adminWork returns the answers about the work of all accounts.
func adminWork(at time.Time) map[string]any {
	anna := api.Owner{ID: "u1", Name: "anna"}
	seen := func(id, name string, state sx.State, change func(*sx.Job)) api.AdminJob {
		j := sx.Job{
			ID: id, State: state, Sent: sx.Sent{Name: name, Size: 57_000_000}, Attempt: 1, Created: at, Updated: at, Queued: at.Add(time.Minute),
			Attempts: []sx.Attempt{{Number: 1, Host: "soundextract-converter-7d9f5c-x2x4z", Started: at.Add(2 * time.Minute)}},
		}
		change(&j)
		return api.AdminJob{Owner: anna, Job: api.FromJob(j, 0).WithHistory(j)}
	}
	failed := seen("bbbbbbbbbbbbbbbb", "week1/Lecture 02 - Introduction to Rooms.mp4", sx.StateFailed, func(j *sx.Job) {
		j.Error = sx.NewError(sx.CodeNoAudio, "there is no audio in the video")
	})
	gone := seen("aaaaaaaaaaaaaaaa", "talk.mkv", sx.StateDone, func(*sx.Job) {})
	gone.Owner = api.Owner{ID: "zzzzzzzzzzzzzzzz"}
	running := seen("cccccccccccccccc", "concert.mp4", sx.StateRunning, func(j *sx.Job) { j.Progress = 42 })
	waiting := seen("dddddddddddddddd", "film.mkv", sx.StateQueued, func(j *sx.Job) { j.Attempt, j.Attempts = 0, nil })
	oldest := at
	return map[string]any{
		"GET " + api.PathAdminJobs: api.AdminJobList{Jobs: []api.AdminJob{failed, gone}},
		"GET " + api.PathAdminUsage: api.AccountUsageList{Accounts: []api.AccountUsage{
			{Owner: anna, Bytes: 53_000_000_000, Jobs: 1204, Uploads: 3, Today: 17}, {Owner: gone.Owner, Bytes: 1_000_000, Jobs: 1},
		}},
		"GET " + api.PathAdminQueue: api.WorkQueue{
			Time: at.Add(10 * time.Minute),
			States: []api.StateBacklog{
				{State: sx.StateUploading}, {State: sx.StateQueued, Jobs: 1, Oldest: &oldest}, {State: sx.StateRunning, Jobs: 1, Oldest: &oldest},
			},
			Running: []api.AdminJob{running}, Waiting: []api.AdminJob{waiting},
			Messages: []api.QueueMessages{{Queue: "convert", DeadLetters: 2}, {Queue: "notify"}},
		},
	}
}

// TestFrontPage checks that the front page fits a terminal of 80 × 24 together with the
// prompt after it, and that its columns do not touch.
func TestFrontPage(t *testing.T) {
	home(t)
	page := run(t).out
	if n := strings.Count(page, "\n"); n > 23 {
		t.Errorf("%d lines:\n%s", n, page)
	}
	if !strings.HasPrefix(page, "sx converts videos to MP3") || !strings.Contains(page, "\n  sx convert talk.mp4 ") {
		t.Errorf("it begins with something else:\n%s", page)
	}
	for _, args := range [][]string{{"help"}, {"--help"}} {
		run(t, args...).want(t, 0, page, "")
	}
	cmd, _ := newRoot()
	all := run(t, "help", "commands").out
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "commands" && (!strings.Contains(page, " "+c.Name()) || !strings.Contains(all, "  "+c.Name()+"  ")) {
			t.Errorf("%s is missing", c.Name())
		}
	}
}

func TestHelpCompletesWhatPeopleUse(t *testing.T) {
	home(t)
	r := run(t, "__complete", "help", "")
	r.wantPart(t, 0, "convert\t", "exit-codes\t")
	if strings.Contains(r.out, "__complete") {
		t.Errorf("got\n%s", r.out)
	}
	run(t, "__complete", "help", "token", "").wantPart(t, 0, "revoke\t")
}

func TestCompletionOfNames(t *testing.T) {
	server := signIn(t)
	labelled := job("aaaa", "a.mp4", sx.StateDone)
	labelled.Labels = []string{"b sides", "acoustics"}
	server.AddJobs("anna", labelled)
	run(t, "config", "set", "preset", "speech").wantPart(t, 0)
	expires := time.Now().Add(time.Hour)
	answer(server, map[string]any{
		"GET " + api.PathTokens: api.TokenList{Tokens: []api.PersonalToken{{ID: "t1", Name: "backup", Expires: expires}, {ID: "t2", Name: "nightly", Expires: expires}}},
		"GET " + api.PathUsers:  api.UserList{Users: []api.Account{{User: api.User{Name: "grace"}}, {User: api.User{Name: "henry", Disabled: true}}, {User: api.User{Name: "ivy", Deleting: true}}}},
		"GET " + api.PathNotify: api.Notify{Webhooks: []api.Webhook{{ID: "w1", URL: "https://example.org/"}}},
	})
	for args, want := range map[string]string{
		"token revoke ":      "backup nightly",
		"token revoke b":     "backup",
		"token revoke x ":    "",
		"admin disable ":     "grace",
		"admin enable ":      "henry",
		"admin delete ":      "grace henry",
		"admin set-quota ":   "grace",
		"notify webhook rm ": "w1",
		"completion p":       "powershell",
		"logout ":            "anna",
		"auth logout a":      "anna",
		"login ":             "anna",
		"auth switch ":       "",
		"logs ":              "gateway auth converter notifier rabbitmq mongodb",
		"share create ":      "aaaa",

		"admin reset-password ": "grace",
		"admin set-retention ":  "grace",
		"admin jobs --owner ":   "grace henry",
		"feed create --label ":  "acoustics b sides",
		"up --registration ":    "open invitation closed",
		"convert --preset ":     "speech standard high small",

		"jobs --label ":           "acoustics b sides",
		"rm --label b":            "b sides",
		"upload --label ":         "acoustics b sides",
		"edit aaaa --label a":     "acoustics",
		"config set ":             "server context parallel retry-timeout credentials preset output",
		"config set credentials ": "auto file",
		"config set preset ":      "speech standard high small",
		"config set parallel ":    "2",
		"config set parallel 2 ":  "",
		"config unset ":           "server context parallel retry-timeout credentials preset output",
		"config unset preset ":    "",
	} {
		r := run(t, append([]string{"__complete"}, strings.Split(args, " ")...)...)
		var got []string
		for line := range strings.Lines(r.out) {
			if name, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(name, ":") {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}

func TestQuietAndVerbose(t *testing.T) {
	server := signIn(t)
	run(t, "jobs").want(t, 0, "", "no jobs yet; upload a video with: sx upload FILE\n")
	run(t, "jobs", "--quiet").want(t, 0, "", "")
	run(t, "jobs", "-q", "-v").wantPart(t, 64, "--quiet and --verbose are mutually exclusive")
	run(t, "show", "-q", "none").wantPart(t, 65, "error: ", "hint: ")
	server.AddJobs("anna", job("aaaa", "a.mp4", sx.StateDone))
	r := run(t, "jobs", "-q")
	if !strings.HasPrefix(r.out, "aaaa\ta.mp4\t") || r.errOut != "" {
		t.Errorf("got %+v", r)
	}
}

func TestJQ(t *testing.T) {
	server := signIn(t)
	server.AddJobs("anna", job("aaaa", "a.mp4", sx.StateDone), job("bbbb", "b.mp4", sx.StateFailed))
	run(t, "jobs", "--jq", `.[] | select(.state == "done") | .name`).want(t, 0, "a.mp4\n", "")
	run(t, "show", "aaaa", "bbbb", "--jq", ".id").want(t, 0, "aaaa\nbbbb\n", "")
	r := run(t, "jobs", "--jq", ".[")
	r.wantPart(t, 64, `"code":"usage"`, "the expression of --jq is not valid")
	run(t, "jobs", "--jq", ".id.x").wantPart(t, 65, `"code":"invalid"`)
	run(t, "completion", "bash", "--jq", ".").wantPart(t, 64, "unknown flag: --jq")
}

// errorLines returns the errors of a run whose standard error must be JSON.
func (r result) errorLines(t *testing.T) (bodies []api.ErrorBody) {
	t.Helper()
	for line := range strings.Lines(r.errOut) {
		var body api.ErrorBody
		if err := json.Unmarshal([]byte(line), &body); err != nil || body.Error.Code == "" {
			t.Errorf("not an error in JSON: %s", line)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

func TestUnknownCommandAsJSON(t *testing.T) {
	home(t)
	for _, args := range [][]string{{"shwo", "--json"}, {"--json", "shwo"}, {"admin", "usres", "--json"}, {"shwo", "--jq", ".id"}} {
		bodies := run(t, args...).errorLines(t)
		if len(bodies) != 1 || bodies[0].Error.Code != "usage" || !strings.Contains(bodies[0].Error.Message, "unknown command") {
			t.Errorf("%q: got %+v", args, bodies)
		}
	}
}

// TestEachFileIsAnObject checks that with --json each file of a batch is an object, also
// one that failed, and that standard error is nothing but JSON.
func TestEachFileIsAnObject(t *testing.T) {
	signIn(t)
	dir := t.TempDir()
	for _, name := range []string{"empty.mp4", "text.mp4"} {
		content := strings.TrimPrefix(name, "empty.mp4")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{"upload", "convert"} {
		r := run(t, command, dir, filepath.Join(dir, "missing.mp4"), "--json")
		if r.code == 0 || len(r.errorLines(t)) != 1 {
			t.Errorf("%s: exit %d, stderr %s", command, r.code, r.errOut)
		}
		failed := map[string]sx.Code{}
		for line := range strings.Lines(r.out) {
			var file struct {
				Name  string    `json:"name"`
				Error api.Error `json:"error"`
			}
			if err := json.Unmarshal([]byte(line), &file); err != nil {
				t.Errorf("%v: %s", err, line)
			}
			failed[filepath.Base(file.Name)] = file.Error.Code
		}
		if len(failed) != 3 || failed["empty.mp4"] != sx.CodeInvalid || failed["text.mp4"] != sx.CodeNotMedia || failed["missing.mp4"] != sx.CodeInvalid {
			t.Errorf("%s: got %v", command, failed)
		}
	}
}
