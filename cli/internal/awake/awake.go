// Package awake keeps the machine from going to sleep by itself while files are sent.
package awake

import (
	"context"
	"sync"
)

// Lock keeps the machine awake while it is held at least once. Its methods may be called
// from several goroutines. The zero value is ready for use.
type Lock struct {
	mu      sync.Mutex
	holders int
	release func()
}

// Hold keeps the machine awake until the function that it returns is called, even if ctx
// ends first. Where the system has no such service, it does nothing.
func (l *Lock) Hold(ctx context.Context) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holders++; l.holders == 1 {
		l.release = inhibit(context.WithoutCancel(ctx))
	}
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.holders--; l.holders == 0 {
			l.release()
		}
	})
}
