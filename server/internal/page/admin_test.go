package page_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// administrator creates the accounts of the administrator and of anna, and returns a tab in which
// the administrator is signed in.
func administrator(t *testing.T, server *gateway.Server) *chromium.Tab {
	t.Helper()
	c, err := client.New(server.URL, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	for name, code := range map[string]string{gateway.Admin: gateway.AdminCode, "anna": ""} {
		if _, err := c.Register(t.Context(), api.Credentials{Name: name, Password: password, Invitation: code}); err != nil {
			t.Fatal(err)
		}
	}
	b := chromium.NewTab(t, server.URL)
	b.Open("#/signin")
	b.FillIn("Name", gateway.Admin)
	b.FillIn("Password", password)
	b.Click("Sign in")
	b.See("h1", "Jobs")
	return b
}

// TestTokensAndAdministration creates secrets, each of which is shown once, and manages
// accounts.
func TestTokensAndAdministration(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := administrator(t, server)
	b.Click("Account")
	b.FillIn("Name of the token", "nightly")
	b.Click("Create a token")
	b.See(".notice code", api.TokenPrefix)
	c, err := client.New(server.URL, &http.Client{Transport: client.Bearer{Token: b.Text(".notice code")}})
	if err != nil {
		t.Fatal(err)
	}
	if me, err := c.Me(t.Context()); err != nil || me.Name != gateway.Admin {
		t.Errorf("the token belongs to %q, %v", me.Name, err)
	}
	b.Click("Revoke nightly")
	b.Confirm()
	b.See("main", "There are no tokens.")
	if _, err := c.Me(t.Context()); sx.CodeOf(err) != sx.CodeUnauthenticated {
		t.Errorf("the revoked token: %v", err)
	}

	b.Click("Administration")
	b.Click("Create an invitation")
	b.See(".notice code", api.InvitationPrefix)
	b.Click("Disable anna")
	b.See("li", "anna disabled")
	if !server.User("anna").Disabled {
		t.Error("anna is not disabled")
	}
	b.Click("Enable anna")
	b.Gone("li", "anna disabled")
	b.Click("Limits of anna")
	b.FillIn("Storage in GB", "1.5")
	b.FillIn("Jobs a day", "20")
	b.Click("Save the limits")
	b.See("li", "anna limits: 1.5 GB, 20 jobs a day")
	inspect(t, b, "administration")
	b.Click("Create a code for a new password of anna")
	b.See(".accounts .notice code", api.ResetPrefix)
	code := b.Text(".accounts .notice code")
	b.Click("Sign out")
	b.Click("I have a code for a new password")
	b.FillIn("Code", code)
	b.FillIn("New password", "a new horse battery")
	b.Click("Set the password")
	b.See("h1", "Jobs")
	b.Gone("nav", "Administration")
}

// TestWorkOfAllAccounts finds the jobs of another account with their reasons and attempts, and
// sees what waits, what runs and what is stored.
func TestWorkOfAllAccounts(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := administrator(t, server)
	started := time.Now().Add(-time.Hour)
	failed := failedJob()
	failed.Attempts = []sx.Attempt{{
		Number: 1, Host: "converter-0", Started: started, Ended: started.Add(time.Minute), Result: sx.AttemptFailed,
		Error: failed.Error, Messages: []string{"Stream map '0:a' matches no streams."},
	}}
	running := jobInState("lecture.mp4", sx.StateRunning)
	running.Attempt, running.Progress = 1, 42
	running.Attempts = []sx.Attempt{{Number: 1, Host: "converter-1", Started: started}}
	waiting := jobInState("meeting.mkv", sx.StateQueued)
	waiting.Queued = started
	server.AddJobs("anna", failed, running, waiting)

	b.Click("Administration")
	b.Click("Jobs of all accounts")
	b.See("tr", "lecture.mp4\tanna\trunning, 42 %\t\tconverter-1")
	b.See("tr", "the video has no audio (no_audio)")
	inspect(t, b, "jobs of all accounts")
	b.FillIn("Code of the error", "no_audio")
	b.Gone("td", "lecture.mp4")
	b.See("td", "silent.mp4")
	b.FillIn("Name of the account", "nobody")
	b.See(".error", "nobody")
	b.FillIn("Name of the account", "anna")
	b.Click("silent.mp4")
	b.See("h1", "silent.mp4")
	b.See(".error", "Hint: check the recording, or choose another file")
	b.See("dl", "converter-0")
	b.Click("Messages of attempt 1")
	b.See("code", "Stream map '0:a' matches no streams.")
	inspect(t, b, "job of an account")

	b.Click("What the system is doing")
	b.Device(1280, "light")
	b.See("tr", "lecture.mp4\tanna\tconverter-1\t1 hour ago\t42 %")
	b.See("tr", "meeting.mkv\tanna")
	b.See("tr", "queued\t1\t1 hour ago")
	b.See("tr", "anna\t")
	inspect(t, b, "work")
	b.Device(1280, "light")
	server.Finish(waiting.ID, []byte("mp3"))
	b.See("main", "No job is waiting.")
}

func jobInState(name string, state sx.State) sx.Job {
	j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: name}, Size: 1000}, time.Now())
	j.State = state
	return j
}
