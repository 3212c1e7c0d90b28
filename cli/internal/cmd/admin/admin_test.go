package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

func TestUsersFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  usersOptions
		wrong bool
	}{
		{"none", nil, usersOptions{Page: cmdutil.Page{Limit: 50}}, false},
		{"page", []string{"--limit", "5", "--after", "anna", "--json"}, usersOptions{Page: cmdutil.Page{Limit: 5, After: "anna"}, JSON: true}, false},
		{"all", []string{"--all"}, usersOptions{Page: cmdutil.Page{Limit: 50, All: true}}, false},
		{"no limit", []string{"--limit", "0"}, usersOptions{}, true},
		{"all and limit", []string{"--all", "--limit", "5"}, usersOptions{}, true},
		{"argument", []string{"anna"}, usersOptions{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got *usersOptions
			err := clitest.Run(t, newCmdUsers(clitest.Factory(), func(_ context.Context, o *usersOptions) error { got = o; return nil }), tt.args...)
			if tt.wrong {
				if cmdutil.ErrorCode(err) != sx.CodeUsage || got != nil {
					t.Errorf("got %v, want a usage error", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := clitest.DiffOptions(tt.want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInviteFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdInvite, inviteOptions{Expires: defaultExpires})
	clitest.CheckFlags(t, newCmdInvite, inviteOptions{Expires: cmdutil.Lifetime(48 * time.Hour), JSON: true}, "--expires", "2d", "--json")
	if err := clitest.Run(t, newCmdInvite(clitest.Factory(), nil), "--expires", "0d"); err == nil {
		t.Error("an invitation that is never valid was accepted")
	}
}

func TestEnableFlags(t *testing.T) {
	t.Parallel()
	for done, newCmd := range map[string]func(*cmdutil.Factory, func(context.Context, *enableOptions) error) *cobra.Command{
		"Disabled": newCmdDisable, "Enabled": newCmdEnable,
	} {
		clitest.CheckFlags(t, newCmd, enableOptions{Name: "anna", JSON: true, done: done}, "anna", "--json")
		if err := clitest.Run(t, newCmd(clitest.Factory(), nil)); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("got %v", err)
		}
		if err := clitest.Run(t, newCmd(clitest.Factory(), nil), "a/b"); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("got %v", err)
		}
	}
}

func TestLimitFlags(t *testing.T) {
	t.Parallel()
	size, ten, none, week, forever := int64(50<<30), 10, 0, int64(7*24*3600), int64(0)
	clitest.CheckFlags(t, newCmdSetQuota, limitsOptions{Name: "anna", JSON: true, Edit: api.LimitsEdit{
		Limits: api.Limits{Bytes: &size, Uploads: &ten, JobsPerDay: &none},
	}}, "anna", "--bytes", "50GiB", "--uploads", "10", "--jobs-per-day", "0", "--json")
	clitest.CheckFlags(t, newCmdSetQuota, limitsOptions{Name: "anna", Edit: api.LimitsEdit{
		Limits: api.Limits{Uploads: &ten}, Reset: []api.LimitName{api.LimitBytes},
	}}, "anna", "--bytes", "1", "--bytes", "default", "--uploads", "10")
	clitest.CheckFlags(t, newCmdSetRetention, limitsOptions{Name: "anna", Edit: api.LimitsEdit{
		Limits: api.Limits{KeepVideos: &week, KeepTracks: &forever}, Reset: []api.LimitName{api.LimitKeepFailed},
	}}, "anna", "--keep-videos", "7d", "--keep-failed", "default", "--keep-tracks", "forever")
	for _, args := range [][]string{
		{},
		{"anna"},
		{"anna", "--bytes", "much"},
		{"anna", "--bytes", "NaN"},
		{"anna", "--bytes", ""},
		{"anna", "--uploads", "-1"},
		{"anna", "--jobs-per-day", "1.5"},
		{"anna", "joan", "--uploads", "1"},
	} {
		if err := clitest.Run(t, newCmdSetQuota(clitest.Factory(), nil), args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%q: got %v, want a usage error", args, err)
		}
	}
	for _, args := range [][]string{{"anna"}, {"anna", "--keep-videos", "7"}, {"anna", "--keep-tracks", "36501d"}, {"anna", "--keep-failed", "30s"}} {
		if err := clitest.Run(t, newCmdSetRetention(clitest.Factory(), nil), args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%q: got %v, want a usage error", args, err)
		}
	}
}

func TestDescribeLimits(t *testing.T) {
	t.Parallel()
	size, ten, none, day, forever := int64(50<<30), 10, 0, int64(24*3600), int64(0)
	for want, l := range map[string]*api.Limits{
		"":                          nil,
		"50GiB storage, 10 uploads": {Bytes: &size, Uploads: &ten},
		"unlimited storage, unlimited jobs a day":                {Bytes: &forever, JobsPerDay: &none},
		"keep videos 1d, keep failed jobs 1d, keep MP3s forever": {KeepVideos: &day, KeepFailed: &day, KeepTracks: &forever},
	} {
		if got := describeLimits(l); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAuditFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdAudit, auditOptions{Page: cmdutil.Page{Limit: 50}})
	clitest.CheckFlags(t, newCmdAudit, auditOptions{Account: "anna", Since: cmdutil.Lifetime(48 * time.Hour), Page: cmdutil.Page{Limit: 5, After: "x"}, JSON: true},
		"--account", "anna", "--since", "2d", "--limit", "5", "--after", "x", "--json")
	for _, args := range [][]string{{"--limit", "0"}, {"--all", "--limit", "5"}, {"anna"}} {
		if err := clitest.Run(t, newCmdAudit(clitest.Factory(), nil), args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%q: got %v, want a usage error", args, err)
		}
	}
}

func TestResetFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdReset, resetOptions{Name: "anna", JSON: true}, "anna", "--json")
	if err := clitest.Run(t, newCmdReset(clitest.Factory(), nil)); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("got %v", err)
	}
	if err := clitest.Run(t, newCmdReset(clitest.Factory(), nil), "a/b"); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("got %v", err)
	}
}

func TestFinishUpgradeFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdFinishUpgrade, finishUpgradeOptions{})
	clitest.CheckFlags(t, newCmdFinishUpgrade, finishUpgradeOptions{JSON: true}, "--json")
}

func TestDeleteFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdDelete, deleteOptions{Name: "anna", Yes: true, JSON: true}, "anna", "--yes", "--json")
	if err := clitest.Run(t, newCmdDelete(clitest.Factory(), nil)); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("got %v", err)
	}
	// Nobody can be asked.
	if err := clitest.Run(t, newCmdDelete(clitest.Factory(), nil), "anna"); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("got %v", err)
	}
}

func TestUnknownSubcommands(t *testing.T) {
	t.Parallel()
	if err := clitest.Run(t, NewCmd(clitest.Factory()), "usres"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "admin users") {
		t.Errorf("got %v", err)
	}
	if err := clitest.Run(t, NewCmd(clitest.Factory()), "xyzzy"); cmdutil.ErrorCode(err) != sx.CodeUsage || sx.AsError(err).Hint != "" {
		t.Errorf("got %v", err)
	}
}

// TestAuditFitsTheTerminal checks that the longest entries fit a narrow terminal, and that
// their result can still be reported.
func TestAuditFitsTheTerminal(t *testing.T) {
	t.Parallel()
	entries := []api.AuditEntry{
		{Time: time.Now().Add(-364 * 24 * time.Hour), Actor: "administrator-of-all", Action: "redeem_invitation", Account: "somebody-with-a-long-name", Result: "ok", Address: "2001:db8:85a3::8a2e:370:7334"},
		{Time: time.Now().Add(-2 * time.Minute), Action: "set_limits", Account: "anna", Result: "too_many_requests", Address: "127.0.0.1"},
	}
	for width, want := range map[int]string{40: "364d  ", 80: entries[0].Time.Format("2006-01-02 15:04"), 120: "2001:db8:85a3::8a2e:370:7334"} {
		io, screen := term.TestTerminal("", width, 24)
		if err := printAudit(io, entries); err != nil {
			t.Fatal(err)
		}
		shown := string(screen.Bytes())
		for line := range strings.Lines(shown) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("at %d columns, a line has %d: %s", width, n, line)
			}
		}
		if !strings.Contains(shown, want) || !strings.Contains(shown, "ok") {
			t.Errorf("at %d columns, %q is missing in\n%s", width, want, shown)
		}
	}
}

func TestWorkFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdJobs, jobsOptions{Page: cmdutil.Page{Limit: 50}})
	clitest.CheckFlags(t, newCmdJobs, jobsOptions{
		States: []string{"failed", "queued"}, Owner: "anna", Error: "no_audio", Name: "talk",
		Since: cmdutil.Lifetime(48 * time.Hour), OlderThan: cmdutil.Lifetime(time.Hour), Page: cmdutil.Page{Limit: 5, After: "x"}, JSON: true,
	}, "--state", "failed,queued", "--owner", "anna", "--error", "no_audio", "--name", "talk", "--since", "2d", "--older-than", "1h", "--limit", "5", "--after", "x", "--json")
	clitest.CheckFlags(t, newCmdUsage, usageOptions{Page: cmdutil.Page{Limit: 50}})
	clitest.CheckFlags(t, newCmdUsage, usageOptions{Page: cmdutil.Page{Limit: 50, All: true}, JSON: true}, "--all", "--json")
	clitest.CheckFlags(t, newCmdQueue, queueOptions{every: watchInterval})
	clitest.CheckFlags(t, newCmdQueue, queueOptions{Watch: true, JSON: true, every: watchInterval}, "-w", "--json")
	for _, wrong := range []struct {
		cmd  *cobra.Command
		args []string
	}{
		{newCmdJobs(clitest.Factory(), nil), []string{"--state", "asleep"}},
		{newCmdJobs(clitest.Factory(), nil), []string{"--all", "--limit", "5"}},
		{newCmdUsage(clitest.Factory(), nil), []string{"--limit", "0"}},
		{newCmdQueue(clitest.Factory(), nil), []string{"--watch"}}, // not a terminal
	} {
		if err := clitest.Run(t, wrong.cmd, wrong.args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%s %q: %v", wrong.cmd.Name(), wrong.args, err)
		}
	}
}

// TestWatchQueue checks that the queue is shown repeatedly, also after an outage of the
// server, and that a permanent error ends it.
func TestWatchQueue(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set(api.HeaderRequestID, "r")
		switch requests {
		case 1, 3:
			api.Write(w, http.StatusOK, api.WorkQueue{Time: at, States: []api.StateBacklog{{State: sx.StateQueued, Jobs: 40 + requests}}})
		case 2:
			api.WriteError(w, sx.NewError(sx.CodeUnavailable, "the database is unavailable"))
		default:
			api.WriteError(w, sx.NewError(sx.CodeForbidden, "no longer an administrator"))
		}
	}))
	t.Cleanup(server.Close)
	streams, screen := term.TestTerminal("", 80, 24)
	c, err := client.New(server.URL, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	opts := &queueOptions{IO: streams, Client: func() (*client.Client, error) { return c, nil }, Watch: true, every: time.Millisecond}
	if err := runQueue(t.Context(), opts); sx.CodeOf(err) != sx.CodeForbidden {
		t.Errorf("watching ended with %v", err)
	}
	text := string(screen.Bytes())
	for _, want := range []string{"waiting    41", "the database is unavailable; trying again", "waiting    43"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q was not shown in\n%q", want, text)
		}
	}
}

// TestWatchQueueAsJSON checks that a queue that has not changed is printed once.
func TestWatchQueueAsJSON(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set(api.HeaderRequestID, "r")
		if requests > 3 {
			api.WriteError(w, sx.NewError(sx.CodeForbidden, "no longer an administrator"))
			return
		}
		api.Write(w, http.StatusOK, api.WorkQueue{Time: at.Add(time.Duration(requests) * time.Second), States: []api.StateBacklog{{State: sx.StateQueued, Jobs: 40 + requests/3}}})
	}))
	t.Cleanup(server.Close)
	streams, out, _ := term.Test("")
	c, err := client.New(server.URL, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	opts := &queueOptions{IO: streams, Client: func() (*client.Client, error) { return c, nil }, Watch: true, JSON: true, every: time.Millisecond}
	if err := runQueue(t.Context(), opts); sx.CodeOf(err) != sx.CodeForbidden {
		t.Errorf("watching ended with %v", err)
	}
	if n := strings.Count(out.String(), `"states"`); n != 2 {
		t.Errorf("it was printed %d times: %s", n, out)
	}
}
