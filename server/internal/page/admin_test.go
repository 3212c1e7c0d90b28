package page_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// administrator creates the accounts of the administrator and of anna, and returns a tab in which
// the administrator is signed in.
func administrator(t *testing.T, server *gateway.Server) *tab {
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
	b := newTab(t, server.URL)
	b.open("#/signin")
	b.fillIn("Name", gateway.Admin)
	b.fillIn("Password", password)
	b.click("Sign in")
	b.see("h1", "Jobs")
	return b
}

// TestTokensAndAdministration creates secrets, each of which is shown once, and manages
// accounts.
func TestTokensAndAdministration(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	b := administrator(t, server)
	b.click("Account")
	b.fillIn("Name of the token", "nightly")
	b.click("Create a token")
	b.see(".notice code", api.TokenPrefix)
	c, err := client.New(server.URL, &http.Client{Transport: client.Bearer{Token: b.text(".notice code")}})
	if err != nil {
		t.Fatal(err)
	}
	if me, err := c.Me(t.Context()); err != nil || me.Name != gateway.Admin {
		t.Errorf("the token belongs to %q, %v", me.Name, err)
	}
	b.click("Revoke nightly")
	b.confirm()
	b.see("main", "There are no tokens.")
	if _, err := c.Me(t.Context()); sx.CodeOf(err) != sx.CodeUnauthenticated {
		t.Errorf("the revoked token: %v", err)
	}

	b.click("Administration")
	b.click("Create an invitation")
	b.see(".notice code", api.InvitationPrefix)
	b.click("Disable anna")
	b.see("li", "anna disabled")
	if !server.User("anna").Disabled {
		t.Error("anna is not disabled")
	}
	b.click("Enable anna")
	b.gone("li", "anna disabled")
	b.click("Limits of anna")
	b.fillIn("Storage in GB", "1.5")
	b.fillIn("Jobs a day", "20")
	b.click("Save the limits")
	b.see("li", "anna limits: 1.5 GB, 20 jobs a day")
	b.inspect("administration")
	b.click("Create a code for a new password of anna")
	b.see(".accounts .notice code", api.ResetPrefix)
	code := b.text(".accounts .notice code")
	b.click("Sign out")
	b.click("I have a code for a new password")
	b.fillIn("Code", code)
	b.fillIn("New password", "a new horse battery")
	b.click("Set the password")
	b.see("h1", "Jobs")
	b.gone("nav", "Administration")
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

	b.click("Administration")
	b.click("Jobs of all accounts")
	b.see("tr", "lecture.mp4\tanna\trunning, 42 %\t\tconverter-1")
	b.see("tr", "the video has no audio (no_audio)")
	b.inspect("jobs of all accounts")
	b.fillIn("Code of the error", "no_audio")
	b.gone("td", "lecture.mp4")
	b.see("td", "silent.mp4")
	b.fillIn("Name of the account", "nobody")
	b.see(".error", "nobody")
	b.fillIn("Name of the account", "anna")
	b.click("silent.mp4")
	b.see("h1", "silent.mp4")
	b.see(".error", "Hint: check the recording, or choose another file")
	b.see("dl", "converter-0")
	b.click("Messages of attempt 1")
	b.see("code", "Stream map '0:a' matches no streams.")
	b.inspect("job of an account")

	b.click("What the system is doing")
	b.device(1280, "light")
	b.see("tr", "lecture.mp4\tanna\tconverter-1\t1 hour ago\t42 %")
	b.see("tr", "meeting.mkv\tanna")
	b.see("tr", "queued\t1\t1 hour ago")
	b.see("tr", "anna\t")
	b.inspect("work")
	b.device(1280, "light")
	server.Finish(waiting.ID, []byte("mp3"))
	b.see("main", "No job is waiting.")
}

func jobInState(name string, state sx.State) sx.Job {
	j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: name}, Size: 1000}, time.Now())
	j.State = state
	return j
}
