package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Event is one server-sent event of the job stream.
type Event struct {
	ID   string // to go on from, see api.EventJob
	Type string // api.EventJob, EventGone or EventEnd; "" for a sign of life
	Job  api.Job
	Gone string // the id of a job that does not exist
}

// Events reads the stream of the given jobs and calls fn with each event, and
// with an empty one for each sign of life. lastID is "" or where to go on. It
// returns nil after EventEnd, else an error: the stream broke and can be opened
// again with the last event's id. The ctx ends it.
func (c *Client) Events(ctx context.Context, ids []string, lastID string, fn func(Event)) error {
	req, err := c.NewRequest(ctx, http.MethodGet, api.PathEvents, url.Values{api.QueryID: ids}, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	var ev Event
	var data string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "": // a comment, or the blank line that ends an event
			if lines.Text() != "" {
				fn(Event{})
				continue
			}
			if ev.Type == "" {
				continue
			}
			if err := ev.decode(data); err != nil {
				return err
			}
			fn(ev)
			if ev.Type == api.EventEnd {
				return nil
			}
			ev, data = Event{}, ""
		case "id":
			ev.ID = value
		case "event":
			ev.Type = value
		case "data":
			data += value
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err = lines.Err()
	if err == nil {
		err = errors.New("the event stream ended early")
	}
	return &Unreachable{Server: c.base.Host, Err: err}
}

func (e *Event) decode(data string) error {
	var err error
	switch e.Type {
	case api.EventJob:
		err = json.Unmarshal([]byte(data), &e.Job)
	case api.EventGone:
		var gone struct {
			ID string `json:"id"`
		}
		err = json.Unmarshal([]byte(data), &gone)
		e.Gone = gone.ID
	}
	if err != nil {
		return sx.NewError(sx.CodeInternal, "the server sent an event that cannot be read").WithCause(err)
	}
	return nil
}
