package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// follow reads the events of a stream served by a test server.
func follow(t *testing.T, lastID, stream string) (events []client.Event, err error) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Last-Event-ID"); got != lastID || r.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("requested with the headers %v, want the last event id %q", r.Header, lastID)
		}
		if got := r.URL.Query()[api.QueryID]; !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("requested the jobs %q", got)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, stream)
	}))
	t.Cleanup(web.Close)
	c, err := client.New(web.URL, web.Client())
	if err != nil {
		t.Fatal(err)
	}
	err = c.Events(t.Context(), []string{"a", "b"}, lastID, func(e client.Event) { events = append(events, e) })
	return events, err
}

func TestEvents(t *testing.T) {
	t.Parallel()
	comment := client.Event{}
	end := client.Event{Type: api.EventEnd}
	job := func(id, name string) client.Event {
		return client.Event{ID: id, Type: api.EventJob, Job: api.Job{ID: "a", Name: name}}
	}
	const data = "event: job\ndata: {\"id\":\"a\",\"name\":\"x\"}\n\n"
	for name, tt := range map[string]struct {
		stream string
		want   []client.Event
	}{
		"one event":             {"id: 1\n" + data, []client.Event{job("1", "x")}},
		"multi-line data":       {"event: job\ndata: {\"id\":\"a\",\ndata:\ndata:  \"name\":\ndata:\"x\"}\n\n", []client.Event{job("", "x")}},
		"CRLF":                  {"id:1\r\nevent:job\r\ndata:{\"id\":\"a\",\"name\":\"x\"}\r\n\r\n", []client.Event{job("1", "x")}},
		"comments":              {":\n: keep-alive\n\n" + data, []client.Event{comment, comment, job("", "x")}},
		"comment in an event":   {"id: 1\nevent: job\ndata: {\"id\":\"a\",\n: hello\ndata: \"name\":\"x\"}\n\n", []client.Event{job("1", "x")}},
		"id stays":              {"id: 1\n" + data + data, []client.Event{job("1", "x"), job("1", "x")}},
		"id without data":       {"id: 1\n\n" + data, []client.Event{job("1", "x")}},
		"id with a NUL":         {"id: 1\nid: \x00\n" + data, []client.Event{job("1", "x")}},
		"event without data":    {"event: gone\n\n" + data, []client.Event{job("", "x")}},
		"unknown fields":        {"retry: 10\nnonsense\n" + data, []client.Event{job("", "x")}},
		"gone":                  {"id: 2,gone\nevent: gone\ndata: {\"id\":\"b\"}\n\n", []client.Event{{ID: "2,gone", Type: api.EventGone, Gone: "b"}}},
		"several blank lines":   {"\n\n" + data + "\n\n", []client.Event{job("", "x")}},
		"event of another type": {"data: x\n\n", []client.Event{{Type: "message"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := follow(t, "", tt.stream+"event: end\ndata: {}\n\nevent: job\ndata: not read any more\n\n")
			if err != nil {
				t.Fatal(err)
			}
			last := end
			last.ID = tt.want[len(tt.want)-1].ID
			want := append(slices.Clone(tt.want), last)
			if !slices.EqualFunc(events, want, func(a, b client.Event) bool {
				return a.ID == b.ID && a.Type == b.Type && a.Job.ID == b.Job.ID && a.Job.Name == b.Job.Name && a.Gone == b.Gone
			}) {
				t.Errorf("got %+v, want %+v", events, want)
			}
		})
	}
}

// TestEventsResume: a stream that ends early is an error, and the next request
// sends the id of the last complete event.
func TestEventsResume(t *testing.T) {
	t.Parallel()
	events, err := follow(t, "", "id: 1,1\nevent: job\ndata: {\"id\":\"a\"}\n\nid: 2,1\nevent: job\ndata: {\"id\"")
	var unreachable *client.Unreachable
	if !errors.As(err, &unreachable) || len(events) != 1 || events[0].ID != "1,1" {
		t.Fatalf("got %+v, %v, want one event and an Unreachable", events, err)
	}
	events, err = follow(t, events[0].ID, ":\nevent: end\ndata: {}\n\n")
	if err != nil || len(events) != 2 || events[1].ID != "1,1" {
		t.Errorf("got %+v, %v, want a comment and the end", events, err)
	}
}

// TestHostileEvents reads events of a server that is not trusted, like TestHostileServer.
func TestHostileEvents(t *testing.T) {
	t.Parallel()
	const osc52 = `\u001b]52;c;aGk=\u0007\u009b31m\u202e`
	events, err := follow(t, "", "event: job\ndata: {\"id\":\"a\",\"name\":\"a"+osc52+"\"}\n\nevent: end\ndata: {}\n\n")
	if err != nil || len(events) != 2 {
		t.Fatalf("got %+v, %v", events, err)
	}
	if name := events[0].Job.Name; strings.ContainsAny(name, "\x1b\a\u009b\u202e") {
		t.Errorf("%q was not cleaned", name)
	}
}

// TestEndlessEvent reads an event that grows without an end, by lines without a value.
func TestEndlessEvent(t *testing.T) {
	t.Parallel()
	_, err := follow(t, "", strings.Repeat("data\n", 1<<19)+"\nevent: end\ndata: {}\n\n")
	if err == nil || !strings.Contains(err.Error(), "an event is too long") {
		t.Errorf("got %v", err)
	}
}

func TestMalformedEvent(t *testing.T) {
	t.Parallel()
	if _, err := follow(t, "", "event: job\ndata: {\n\n"); sx.CodeOf(err) != sx.CodeInternal {
		t.Errorf("got %v, want code internal", err)
	}
}

// FuzzEvents reads any bytes as a stream of events.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("id: 1,1\nevent: job\ndata: {\"id\":\"a\",\ndata: \"name\":\"x\"}\n\n:\nevent: gone\r\ndata: {\"id\":\"b\"}\r\n\r\nevent: end\ndata: {}\n\n"))
	f.Add([]byte("event: job\ndata: {\"id\":\"a\",\"state\":\"done\",\"tracks\":[{\"number\":1,\"name\":\"x.mp3\",\"title\":\"\u202e\"}]}\n\nevent: reconnect\ndata: {}\n\n"))
	f.Add([]byte("event: \x19job\ndata:\n\n")) // was an event of a job without an ID
	f.Add([]byte("data\n\nevent: job\ndata: {\"id\":\"../a\"}\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		c, err := client.New("http://127.0.0.1:1", &http.Client{Transport: responses(stream)})
		if err != nil {
			t.Fatal(err)
		}
		ended := false
		err = c.Events(t.Context(), []string{"a", "b"}, "", func(e client.Event) {
			name, _ := json.Marshal(e)
			if clean := sx.CleanText(string(name)); clean != string(name) || strings.ContainsFunc(e.ID, unicode.IsControl) {
				t.Errorf("%q is not clean", name)
			}
			if e.Type == api.EventJob && e.Job.ID != "a" && e.Job.ID != "b" || e.Gone != "" && e.Gone != "a" && e.Gone != "b" {
				t.Errorf("an event of another job: %s", name)
			}
			if ended {
				t.Error("an event after the end")
			}
			ended = e.Type == api.EventEnd || e.Type == api.EventReconnect
		})
		if ended != (err == nil || errors.Is(err, client.ErrReconnect)) {
			t.Errorf("ended: %t, error %v", ended, err)
		}
	})
}

// responses is a server, without a connection, whose responses have this body.
type responses []byte

func (body responses) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, nil
}
