package rabbitbus

import "sync"

// tasks are the goroutines of a bus. None outlives it.
type tasks struct {
	mu    sync.Mutex
	group sync.WaitGroup
	ended bool
}

// run starts fn unless the bus has ended, and reports whether it did.
func (t *tasks) run(fn func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.group.Go(fn)
	return true
}

// wait lets no more tasks begin, and waits for those that run.
func (t *tasks) wait() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.group.Wait()
}
