package gateway

import "sync"

// hub hands announcements to the event streams. A stream that is slow to write
// loses nothing by it: it keeps the set of jobs to look at, not their history.
type hub struct {
	mu      sync.Mutex
	streams map[*stream]struct{}
	over    chan struct{} // closed when no streams are wanted any more
}

func newHub() *hub { return &hub{streams: map[*stream]struct{}{}, over: make(chan struct{})} }

// stream is the part of an event stream that the hub knows.
type stream struct {
	watched map[string]struct{}
	wake    chan struct{} // has an element when touched has

	mu      sync.Mutex
	touched map[string]struct{}
}

func (h *hub) join(ids []string) *stream {
	st := &stream{
		watched: make(map[string]struct{}, len(ids)),
		wake:    make(chan struct{}, 1),
		touched: map[string]struct{}{},
	}
	for _, id := range ids {
		st.watched[id] = struct{}{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams[st] = struct{}{}
	return st
}

func (h *hub) leave(st *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, st)
}

// announce never waits for a stream.
func (h *hub) announce(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for st := range h.streams {
		if _, ok := st.watched[id]; ok {
			st.touch(id)
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.over:
	default:
		close(h.over)
	}
}

func (st *stream) touch(id string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.touched[id] = struct{}{}
	select {
	case st.wake <- struct{}{}:
	default: // it is awake already
	}
}

// take gives the jobs that were announced since the last call.
func (st *stream) take() map[string]struct{} {
	st.mu.Lock()
	defer st.mu.Unlock()
	touched := st.touched
	st.touched = map[string]struct{}{}
	return touched
}
