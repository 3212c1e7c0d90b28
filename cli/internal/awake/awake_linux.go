package awake

import (
	"context"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

// timeout bounds the call to logind, which usually takes a millisecond.
const timeout = 2 * time.Second

// inhibit takes an inhibitor lock of systemd-logind, which lasts until its file descriptor
// is closed, at the latest by the end of the process
// (https://systemd.io/INHIBITOR_LOCKS). It does not wait for the lock.
func inhibit(ctx context.Context) (release func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// A call that is cancelled while its response arrives would leave the lock behind.
		if lock := logind(context.WithoutCancel(ctx)); lock != nil {
			<-ctx.Done()
			_ = lock.Close()
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// logind returns the lock, or nil if logind grants none.
func logind(ctx context.Context) *os.File {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil
	}
	defer func() { _ = bus.Close() }()
	var fd dbus.UnixFD
	err = bus.Object("org.freedesktop.login1", "/org/freedesktop/login1").
		CallWithContext(ctx, "org.freedesktop.login1.Manager.Inhibit", dbus.FlagNoAutoStart,
			"idle:sleep", "sx", "Sending a file", "block").Store(&fd)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "inhibitor lock")
}
