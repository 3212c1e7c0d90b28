package gateway

import "sync"

// hub distributes announcements to the event streams. A slow stream misses
// nothing, because only the ids of changed jobs are collected, not their
// history.
type hub struct {
	mu            sync.Mutex
	subscriptions map[*subscription]struct{}
}

func newHub() *hub {
	return &hub{subscriptions: map[*subscription]struct{}{}}
}

// subscription is one event stream's subscription to some jobs.
type subscription struct {
	watched map[string]struct{}
	wake    chan struct{} // has an element when announced has

	mu        sync.Mutex
	announced map[string]struct{}
}

func (h *hub) subscribe(ids []string) *subscription {
	sub := &subscription{
		watched:   make(map[string]struct{}, len(ids)),
		wake:      make(chan struct{}, 1),
		announced: map[string]struct{}{},
	}
	for _, id := range ids {
		sub.watched[id] = struct{}{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscriptions[sub] = struct{}{}
	return sub
}

func (h *hub) unsubscribe(sub *subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subscriptions, sub)
}

// announce forwards an announcement without waiting for any stream.
func (h *hub) announce(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for sub := range h.subscriptions {
		if _, ok := sub.watched[id]; ok {
			sub.announce(id)
		}
	}
}

func (sub *subscription) announce(id string) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.announced[id] = struct{}{}
	select {
	case sub.wake <- struct{}{}:
	default: // already awake
	}
}

// take returns the jobs that were announced since the last call.
func (sub *subscription) take() map[string]struct{} {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	announced := sub.announced
	sub.announced = map[string]struct{}{}
	return announced
}
