package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api/client"
)

// A server is not trusted: what it sends reaches terminals and paths.
func TestHostileServer(t *testing.T) {
	t.Parallel()
	const osc52 = `\u001b]52;c;aGk=\u0007\u009b31m\u202e`
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	body = `{"id":"aaaa","name":"a` + osc52 + `.mp4","state":"` + osc52 + `done","labels":["` + osc52 + `l"],` +
		`"error":{"code":"no_audio","message":"` + osc52 + `m"},"warnings":[{"code":"c","message":"w` + osc52 + `"}],` +
		`"tracks":[{"number":1,"name":"` + osc52 + `t.mp3","title":"` + osc52 + `"}]}`
	j, err := c.Job(t.Context(), "aaaa")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{j.Name, string(j.State), j.Labels[0], j.Error.Message, j.Warnings[0].Message, j.Tracks[0].Name, j.Tracks[0].Title} {
		if strings.ContainsAny(s, "\x1b\a\u009b\u202e") {
			t.Errorf("%q was not cleaned", s)
		}
	}
	for name, sent := range map[string]string{
		"another job":        `{"id":"bbbb"}`,
		"a path as ID":       `{"id":"../../etc/x"}`,
		"no ID":              `{}`,
		"a negative size":    `{"id":"aaaa","tracks":[{"number":1,"size":-1}]}`,
		"a path as digest":   `{"id":"aaaa","tracks":[{"number":1,"sha256":"../x"}]}`,
		"a name without end": `{"id":"aaaa","name":"` + strings.Repeat("a", 100_000) + `"}`,
	} {
		body = sent
		if _, err := c.Job(t.Context(), "aaaa"); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for name, sent := range map[string]string{ // each would need gigabytes
		"a list of too many jobs":     `{"jobs":[` + strings.Repeat(`{},`, 1<<20) + `{}]}`,
		"a job of too many labels":    `{"jobs":[{"id":"aaaa","labels":[` + strings.Repeat(`"",`, 1<<20) + `""]}]}`,
		"a response that is too long": `{"jobs":[],"next":"` + strings.Repeat("a", 16<<20) + `"}`,
	} {
		body = sent
		if _, err := c.Jobs(t.Context(), client.JobFilter{}); err == nil || !strings.Contains(err.Error(), "it is too long") && !strings.Contains(err.Error(), "it has too many values") {
			t.Errorf("%s: %v", name, err)
		}
	}
	body = `{"jobs":[],"next":"` + strings.Repeat(`{\"[,`, 1<<18) + `"}` // text is not counted
	if _, err := c.Jobs(t.Context(), client.JobFilter{}); err != nil {
		t.Error(err)
	}
	body = `{"jobs":[{"id":"../x"}]}`
	if _, err := c.Jobs(t.Context(), client.JobFilter{}); err == nil {
		t.Error("a list with a path as ID is accepted")
	}
}
