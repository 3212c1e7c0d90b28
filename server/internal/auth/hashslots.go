package auth

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/soundextract/sx/server/sx"
)

const (
	// maxConcurrentHashes bounds the memory of strangers' sign-ins, 19 MiB each, and
	// knownHashes that of the sign-ins from networks that their accounts know.
	maxConcurrentHashes = 2
	knownHashes         = 1
	hashQueueTimeout    = 15 * time.Second
)

// fairSlots admits a fixed number of holders at a time. Waiting networks are served in
// turn, so that many waiters from one network delay another network by at most one turn.
type fairSlots struct {
	mu      sync.Mutex
	free    int
	waiting map[string][]chan struct{} // by network, the oldest first
	turns   []string                   // the networks in waiting, in the order of their turns
}

func newFairSlots(n int) *fairSlots {
	return &fairSlots{free: n, waiting: map[string][]chan struct{}{}}
}

// acquire waits for a slot. Release must be called after it returns nil.
func (f *fairSlots) acquire(ctx context.Context, network string) error {
	f.mu.Lock()
	if f.free > 0 {
		f.free--
		f.mu.Unlock()
		return nil
	}
	admitted := make(chan struct{})
	if len(f.waiting[network]) == 0 {
		f.turns = append(f.turns, network)
	}
	f.waiting[network] = append(f.waiting[network], admitted)
	f.mu.Unlock()

	timer := time.NewTimer(hashQueueTimeout)
	defer timer.Stop()
	var err error
	select {
	case <-admitted:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = sx.NewError(sx.CodeUnavailable, "too many sign-ins at the same time")
	}
	if !f.leave(network, admitted) {
		f.release() // admitted meanwhile
	}
	return err
}

// leave ends the wait. It reports false if the slot has been given meanwhile.
func (f *fairSlots) leave(network string, admitted chan struct{}) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.waiting[network], admitted)
	if i < 0 {
		return false
	}
	f.set(network, slices.Delete(f.waiting[network], i, i+1))
	return true
}

// set stores the waiters of a network; a network without any has no turn.
func (f *fairSlots) set(network string, waiting []chan struct{}) {
	if len(waiting) > 0 {
		f.waiting[network] = waiting
		return
	}
	delete(f.waiting, network)
	if i := slices.Index(f.turns, network); i >= 0 {
		f.turns = slices.Delete(f.turns, i, i+1)
	}
}

// release gives the slot to the oldest waiter of the next network.
func (f *fairSlots) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.turns) == 0 {
		f.free++
		return
	}
	network := f.turns[0]
	f.turns = append(f.turns[1:], network)
	next := f.waiting[network][0]
	f.set(network, f.waiting[network][1:])
	close(next)
}
