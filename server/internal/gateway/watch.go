package gateway

import (
	"context"
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// watch is what the client of one event stream knows of its jobs.
type watch struct {
	owner string
	ids   []string
	known map[string]*known
}

type known struct {
	rev    int64 // of the job as it was sent last; 0 is never, gone is told to be gone
	stored int64 // of an upload, as it was sent last
	final  bool
}

const gone = -1

// newWatch begins where lastID, the id of an event, says; a lastID that does
// not fit the ids begins anew.
func newWatch(owner string, ids []string, lastID string) *watch {
	w := &watch{owner: owner, ids: ids, known: make(map[string]*known, len(ids))}
	revs := strings.Split(lastID, ",")
	for i, id := range ids {
		k := &known{stored: -1}
		if len(revs) == len(ids) {
			k.rev, _ = strconv.ParseInt(revs[i], 10, 64) // 0, never sent, if it is no number
		}
		w.known[id] = k
	}
	return w
}

// vector is the id of the next event: the revisions in the order of the ids.
func (w *watch) vector() string {
	revs := make([]string, len(w.ids))
	for i, id := range w.ids {
		revs[i] = strconv.FormatInt(w.known[id].rev, 10)
	}
	return strings.Join(revs, ",")
}

// open lists the jobs that can still change.
func (w *watch) open() []string {
	var ids []string
	for _, id := range w.ids {
		if !w.known[id].final {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *watch) over() bool { return len(w.open()) == 0 }

// look reads the jobs and gives the events that tell the client what it does
// not know yet, also those before an error. A job of someone else is as good as gone.
func (s *Service) look(ctx context.Context, w *watch, ids []string) ([]event, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list, _, err := s.cfg.Jobs.List(ctx, store.JobFilter{Owner: w.owner, IDs: ids})
	if err != nil {
		return nil, err
	}
	found := make(map[string]sx.Job, len(list))
	for _, j := range list {
		found[j.ID] = j
	}
	var events []event
	for _, id := range ids {
		k := w.known[id]
		j, ok := found[id]
		if !ok {
			k.final = true
			if k.rev != gone {
				k.rev = gone
				events = append(events, event{w.vector(), api.EventGone, map[string]string{"id": id}})
			}
			continue
		}
		stored, err := s.stored(ctx, j)
		if err != nil {
			return events, err
		}
		k.final = j.State.Final()
		// Bytes are no revision: an upload is sent again when some came.
		if j.Rev == k.rev && (j.State != sx.StateUploading || stored == k.stored) {
			continue
		}
		k.rev, k.stored = j.Rev, stored
		events = append(events, event{w.vector(), api.EventJob, api.FromJob(j, stored)})
	}
	return events, nil
}
