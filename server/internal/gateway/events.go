package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// pollInterval is how often a stream reads its jobs without an announcement: those
// can be lost, and an upload's bytes are not announced.
const pollInterval = 2 * time.Second

// eventJobs is how many jobs are asked for at a time: each may have hundreds of MP3s.
const eventJobs = 25

// streamEvents sends the changes of the watched jobs as server-sent events until
// all jobs are final (see api.EventJob).
func (s *Service) streamEvents(w http.ResponseWriter, r *http.Request) error {
	ids, err := queryIDs(r.URL.Query())
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return sx.NewError(sx.CodeInvalid, "no job to watch").
			WithHint("specify jobs in the query, such as %s?%s=ID", api.PathEvents, api.QueryID)
	}
	release, err := s.openStream(r)
	if err != nil {
		return err
	}
	defer release()
	sub := s.hub.subscribe(ids) // before the first read, so that no change is missed
	defer s.hub.unsubscribe(sub)
	watch := newWatch(owner(r.Context()), ids, r.Header.Get("Last-Event-ID"))
	first, rest, err := s.changes(r.Context(), watch, ids)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would buffer events
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	out := eventWriter{w, http.NewResponseController(w)}
	// An error means that the client is gone.
	if out.send(first) == nil && s.sendChanges(r.Context(), out, watch, rest) == nil {
		s.follow(r, out, watch, sub)
	}
	return nil
}

// The limits of open event streams: a browser and a few programs of one user, and a few
// dozen users of one network.
const (
	maxStreams        = 10
	maxAddressStreams = 100
)

// openStream counts a new event stream, or refuses it if there are too many. An old
// stream whose client is gone ends with its token.
func (s *Service) openStream(r *http.Request) (release func(), err error) {
	ofOwner, ok := s.ownerStreams.take(owner(r.Context()))
	if !ok {
		return nil, tooManyStreams("your account has %d event streams open, which is the maximum", maxStreams)
	}
	ofAddress, ok := s.addressStreams.take(s.clientKey(r))
	if !ok {
		ofOwner()
		return nil, tooManyStreams("%d event streams are open from your address, which is the maximum", maxAddressStreams)
	}
	return func() { ofOwner(); ofAddress() }, nil
}

func tooManyStreams(format string, most int) error {
	return sx.NewError(sx.CodeTooManyRequests, format, most).WithHint("close one of them, or request the jobs at intervals instead")
}

// follow sends further events until all jobs are final, the client disconnects, its
// credential is no longer valid, or the server drains.
func (s *Service) follow(r *http.Request, out eventWriter, watch *watch, sub *subscription) {
	poll, alive := time.NewTimer(pollInterval), time.NewTicker(api.KeepAlive)
	defer poll.Stop()
	defer alive.Stop()
	ctx, stop := httpserver.Resumable(r.Context())
	defer stop()
	credential := s.credentialOf(r)
	for !watch.finished() {
		var ids []string
		var polled time.Time
		select {
		case <-ctx.Done():
			return
		case <-alive.C:
			if out.keepAlive() != nil {
				return
			}
			continue
		case <-sub.wake:
			announced := sub.take()
			for _, id := range watch.ids {
				if _, ok := announced[id]; ok {
					ids = append(ids, id)
				}
			}
		case <-poll.C:
			polled = time.Now()
			if !credential.valid(ctx) {
				_ = out.send([]event{{id: watch.eventID(), kind: api.EventReconnect, data: struct{}{}}}) // the stream ends either way
				return
			}
			ids = watch.unfinished()
		}
		if s.sendChanges(ctx, out, watch, ids) != nil {
			return
		}
		if !polled.IsZero() { // a slow store gets a pause as long as it needed, so that streams do not keep it slow
			poll.Reset(max(pollInterval, time.Since(polled)))
		}
	}
	_ = out.send([]event{{id: watch.eventID(), kind: api.EventEnd, data: struct{}{}}}) // the stream ends either way
}

// sendChanges sends what the client does not know yet of the jobs. When the store fails, the
// rest is sent by a later call; an error means that the client is gone.
func (s *Service) sendChanges(ctx context.Context, out eventWriter, watch *watch, ids []string) error {
	for len(ids) > 0 {
		events, rest, failed := s.changes(ctx, watch, ids)
		if err := out.send(events); err != nil {
			return err
		}
		if failed != nil {
			s.logFailure(ctx, failed)
			return nil
		}
		ids = rest
	}
	return nil
}

// event is one server-sent event.
type event struct {
	id   string
	kind string
	data any
}

// eventWriter writes server-sent events.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (o eventWriter) send(events []event) error {
	for _, e := range events {
		data, err := json.Marshal(e.data)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		if _, err := fmt.Fprintf(o.w, "id: %s\nevent: %s\ndata: %s\n\n", e.id, e.kind, data); err != nil {
			return err
		}
	}
	return o.control.Flush()
}

func (o eventWriter) keepAlive() error {
	if _, err := io.WriteString(o.w, ": keep-alive\n\n"); err != nil {
		return err
	}
	return o.control.Flush()
}

// watch is the state of the jobs as the client of one event stream knows it.
type watch struct {
	owner string
	ids   []string
	known map[string]*knownJob
}

type knownJob struct {
	rev    int64 // last one sent; 0 if none, gone if the job does not exist
	stored int64 // last number of stored bytes sent, of an upload
	final  bool
}

const gone = -1

// newWatch continues after the event lastID. If that does not match the ids, it
// starts from the beginning.
func newWatch(owner string, ids []string, lastID string) *watch {
	w := &watch{owner: owner, ids: ids, known: make(map[string]*knownJob, len(ids))}
	revs := strings.Split(lastID, ",")
	for i, id := range ids {
		k := &knownJob{stored: -1}
		if len(revs) == len(ids) {
			k.rev, _ = strconv.ParseInt(revs[i], 10, 64) // 0 if it is not a number
		}
		w.known[id] = k
	}
	return w
}

// eventID is the id of the next event: the revisions in the order of the ids.
func (w *watch) eventID() string {
	revs := make([]string, len(w.ids))
	for i, id := range w.ids {
		revs[i] = strconv.FormatInt(w.known[id].rev, 10)
	}
	return strings.Join(revs, ",")
}

// unfinished lists the jobs that can still change.
func (w *watch) unfinished() []string {
	var ids []string
	for _, id := range w.ids {
		if !w.known[id].final {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *watch) finished() bool { return len(w.unfinished()) == 0 }

// changes reads a page of the jobs and returns the events that the client does not know
// yet, including those before an error, and which jobs it did not read. A job of another
// user counts as gone.
func (s *Service) changes(ctx context.Context, w *watch, ids []string) (events []event, rest []string, err error) {
	some := ids[:min(len(ids), eventJobs)]
	list, next, err := s.cfg.Jobs.List(ctx, store.JobFilter{Owner: w.owner, IDs: some})
	if err != nil {
		return nil, nil, err
	}
	found := make(map[string]sx.Job, len(list))
	for _, j := range list {
		found[j.ID] = j
	}
	kept := s.newPeriods()
	for _, id := range some {
		k := w.known[id]
		j, ok := found[id]
		if !ok && next != nil {
			rest = append(rest, id)
			continue
		}
		if !ok {
			k.final = true
			if k.rev != gone {
				k.rev = gone
				events = append(events, event{w.eventID(), api.EventGone, map[string]string{"id": id}})
			}
			continue
		}
		stored, err := s.stored(ctx, j)
		if err != nil {
			return events, nil, err
		}
		of, err := kept.of(ctx, j.Owner)
		if err != nil {
			return events, nil, err
		}
		k.final = j.State.Final()
		// New bytes of an upload do not change its revision.
		if j.Rev == k.rev && (j.State != sx.StateUploading || stored == k.stored) {
			continue
		}
		k.rev, k.stored = j.Rev, stored
		events = append(events, event{w.eventID(), api.EventJob, api.FromJob(j, stored).WithDeletion(of.Deletion(&j, s.cfg.Now()))})
	}
	return events, append(rest, ids[len(some):]...), nil
}
