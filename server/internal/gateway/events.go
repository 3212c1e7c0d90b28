package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// pollEvery is how often a stream looks at its jobs without being told to:
// announcements can be missed, and an upload's bytes are not announced.
const pollEvery = 2 * time.Second

// streamEvents sends the changes of the watched jobs as server-sent events
// until all of them are over (see api.EventJob).
func (s *Service) streamEvents(w http.ResponseWriter, r *http.Request) error {
	ids, err := queryIDs(r.URL.Query())
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return sx.NewError(sx.CodeInvalid, "no job to watch is named").
			WithHint("name jobs in the query, such as %s?%s=ID", api.PathEvents, api.QueryID)
	}
	st := s.hub.join(ids) // before the first look, so that no change falls in between
	defer s.hub.leave(st)
	watch := newWatch(owner(r.Context()), ids, r.Header.Get("Last-Event-ID"))
	first, err := s.look(r.Context(), watch, ids)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	out := eventWriter{newSteadyWriter(w)}
	if out.send(first) == nil { // else the client has gone
		s.follow(r, out, watch, st)
	}
	return nil
}

// follow goes on after the first events until the watch is over, the client
// has gone or the server stops.
func (s *Service) follow(r *http.Request, out eventWriter, watch *watch, st *stream) {
	poll, alive := time.NewTicker(pollEvery), time.NewTicker(api.KeepAlive)
	defer poll.Stop()
	defer alive.Stop()
	ctx := r.Context()
	for !watch.over() {
		var ids []string
		select {
		case <-ctx.Done():
			return
		case <-s.hub.over:
			return
		case <-alive.C:
			if out.keepAlive() != nil {
				return
			}
			continue
		case <-st.wake:
			touched := st.take()
			for _, id := range watch.ids {
				if _, ok := touched[id]; ok {
					ids = append(ids, id)
				}
			}
		case <-poll.C:
			ids = watch.open()
		}
		events, err := s.look(ctx, watch, ids)
		if err != nil { // the store may come back; until then the stream is kept alive
			s.logFailure(ctx, err)
		}
		if out.send(events) != nil {
			return
		}
	}
	_ = out.send([]event{{id: watch.vector(), kind: api.EventEnd, data: struct{}{}}}) // the stream is over either way
}

// event is one server-sent event.
type event struct {
	id   string
	kind string
	data any
}

// eventWriter writes server-sent events, each batch with a deadline of its own.
type eventWriter struct{ w *steadyWriter }

func (o eventWriter) send(events []event) error {
	var raw []byte
	for _, e := range events {
		data, err := json.Marshal(e.data)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		raw = fmt.Appendf(raw, "id: %s\nevent: %s\ndata: %s\n\n", e.id, e.kind, data)
	}
	return o.write(raw)
}

func (o eventWriter) keepAlive() error { return o.write([]byte(": keep-alive\n\n")) }

func (o eventWriter) write(raw []byte) error {
	if _, err := o.w.Write(raw); err != nil {
		return err
	}
	return o.w.control.Flush()
}
