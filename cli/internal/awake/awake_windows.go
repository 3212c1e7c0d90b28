package awake

import (
	"context"
	"runtime"
	"syscall"
)

// Flags of SetThreadExecutionState.
const (
	esContinuous     = 0x80000000
	esSystemRequired = 0x00000001
)

var setThreadExecutionState = syscall.NewLazyDLL("kernel32.dll").NewProc("SetThreadExecutionState")

// inhibit sets the execution state of a thread, which the system forgets when the thread
// or the process ends.
func inhibit(context.Context) (release func()) {
	released, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // without UnlockOSThread, the thread ends with the goroutine
		if setThreadExecutionState.Find() != nil {
			return
		}
		// There is nothing to do about a failure.
		_, _, _ = setThreadExecutionState.Call(esContinuous | esSystemRequired)
		<-released
	}()
	return func() {
		close(released)
		<-done
	}
}
