package client

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Event is one server-sent event of the job stream.
type Event struct {
	ID   string // of the last event that had an ID, for resuming; see api.EventJob
	Type string // api.EventJob, EventGone, EventEnd or EventReconnect; "" for a keep-alive comment
	Job  api.Job
	Gone string // the ID of a job that does not exist or was deleted
}

// Events reads the event stream of the given jobs until ctx is done. It calls fn
// for each event, and with an empty Type for each comment. lastID is the ID of the
// event after which to resume, or "". It returns nil after EventEnd, ErrReconnect after
// EventReconnect and another error in any other case; the stream can then be resumed with
// the ID of the last event.
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
	stream := newEventReader(res.Body, lastID)
	for {
		raw, err := stream.next()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return &Unreachable{Server: c.base.Host, Err: err}
		}
		event, err := raw.decode()
		if err != nil {
			return err
		}
		if id := cmp.Or(event.Job.ID, event.Gone); id != "" && !slices.Contains(ids, id) {
			return Malformed("an event of a job that was not requested")
		}
		fn(event)
		switch event.Type {
		case api.EventEnd:
			return nil
		case api.EventReconnect:
			return ErrReconnect
		}
	}
}

// ErrReconnect says that the server has ended an event stream because the credential of
// its request is no longer valid.
var ErrReconnect = sx.NewError(sx.CodeUnavailable, "the server has ended the event stream because the token has expired")

// rawEvent is an undecoded event; kind is "" for a comment.
type rawEvent struct{ id, kind, data string }

func (e rawEvent) decode() (Event, error) {
	out := Event{ID: e.id, Type: sx.CleanText(e.kind)}
	var err error
	switch out.Type {
	case api.EventJob:
		err = decodeClean([]byte(e.data), &out.Job)
	case api.EventGone:
		var gone struct {
			ID string `json:"id"`
		}
		err = decodeClean([]byte(e.data), &gone)
		out.Gone = gone.ID
	}
	if err != nil {
		return Event{}, sx.NewError(sx.CodeInternal, "the server sent a malformed %s event", out.Type).WithCause(err)
	}
	return out, nil
}

// eventReader parses an event stream (HTML standard, section 9.2.6) with lines that
// end in LF or CRLF. Libraries such as go-sse discard comments, which the caller's
// watchdog needs to see that the connection is alive.
type eventReader struct {
	lines  *bufio.Scanner
	lastID string
}

// maxEvent limits the length of a line, and of the lines of data of an event, in bytes.
const maxEvent = 1 << 20

func newEventReader(r io.Reader, lastID string) *eventReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	return &eventReader{lines: lines, lastID: lastID}
}

// next returns the next event with data, or the next comment. An incomplete event
// at the end of the stream is discarded.
func (r *eventReader) next() (rawEvent, error) {
	kind, data, size := "message", []string(nil), 0
	for r.lines.Scan() {
		line := r.lines.Text()
		if line == "" {
			if data != nil {
				return rawEvent{id: r.lastID, kind: kind, data: strings.Join(data, "\n")}, nil
			}
			kind = "message"
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			if data == nil { // a comment within an event adds nothing to it
				return rawEvent{}, nil
			}
		case "id":
			if !strings.ContainsFunc(value, unicode.IsControl) { // else it could be sent in no header
				r.lastID = value
			}
		case "event":
			kind = value
		case "data":
			if size += len(line); size > maxEvent {
				return rawEvent{}, errors.New("an event is too long")
			}
			data = append(data, value)
		}
	}
	if err := r.lines.Err(); err != nil {
		return rawEvent{}, err
	}
	return rawEvent{}, errors.New("the event stream ended early")
}
