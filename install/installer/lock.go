package installer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// The times of the lock, which is a Lease as in client-go's leader election: its
// holder renews it, and others may take over one that was not renewed for
// leaseDuration.
const (
	leaseDuration = 15 * time.Second
	renewInterval = 5 * time.Second
	pollInterval  = time.Second     // while another process holds it
	lockTimeout   = 2 * time.Minute // for another operation to end
	unlockTimeout = 5 * time.Second
)

// lock prevents two processes from working on a release at the same time.
// client-go stores its record; client-go's elector is not used, because it
// waits for leaseDuration even if the holder was a process on this machine that
// has exited.
type lock struct {
	*resourcelock.LeaseLock
	record resourcelock.LeaderElectionRecord
	stale  bool // it was taken over from a process that exited
	cancel context.CancelCauseFunc
	done   sync.WaitGroup
}

// lock acquires the release's lock and renews it until it is released. The context
// ends if the lock is lost, with an *sx.Error as its cause.
func (in *Installer) lock(ctx context.Context) (context.Context, *lock, error) {
	l := &lock{LeaseLock: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Name: in.Release + "-sx", Namespace: in.Cluster.Namespace},
		Client:     in.Cluster.Client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity()},
		Labels: map[string]string{
			"app.kubernetes.io/name": "soundextract", "app.kubernetes.io/instance": in.Release, "app.kubernetes.io/managed-by": "sx",
		},
	}}
	if err := in.acquire(ctx, l); err != nil {
		return nil, nil, in.Cluster.WrapError(err)
	}
	inner, cancel := context.WithCancelCause(ctx)
	l.cancel = cancel
	l.done.Go(func() { in.renew(inner, l) })
	return inner, l, nil
}

// acquire waits while a live process holds the lock.
func (in *Installer) acquire(ctx context.Context, l *lock) error {
	start := in.Now()
	holder := &observedHolder{}
	for waiting := false; ; {
		acquired, err := l.try(ctx, in.Now(), holder)
		if err != nil || acquired {
			return err
		}
		if in.Now().Sub(start) > lockTimeout {
			return in.inProgress("%s", holder.identity)
		}
		if !waiting && holder.identity != "" {
			waiting = true
			in.report(Event{Step: "wait for another operation", State: Started, Detail: holder.identity})
		}
		if backoff.Sleep(ctx, pollInterval) != nil {
			return context.Cause(ctx)
		}
	}
}

// observedHolder is the holder of the lock as this process has seen it. Only
// this machine's clock is used, because another's may be wrong.
type observedHolder struct {
	identity string
	record   string    // as stored; every renewal changes it
	since    time.Time // when record was first seen
}

func (h *observedHolder) observe(identity string, record []byte, now time.Time) {
	if string(record) != h.record {
		h.identity, h.record, h.since = identity, string(record), now
	}
}

// expired reports whether the holder has exited or stopped renewing the lock.
func (h *observedHolder) expired(now time.Time) bool {
	return exited(h.identity) || now.Sub(h.since) > leaseDuration
}

// try acquires the lock if it is free or its holder has expired.
func (l *lock) try(ctx context.Context, now time.Time, holder *observedHolder) (acquired bool, err error) {
	l.record = resourcelock.LeaderElectionRecord{
		HolderIdentity: l.Identity(), LeaseDurationSeconds: int(leaseDuration.Seconds()),
		AcquireTime: metav1.NewTime(now), RenewTime: metav1.NewTime(now),
	}
	err = l.Create(ctx, l.record)
	if err == nil || !apierrors.IsAlreadyExists(err) {
		return err == nil, wrapf(err, "acquire the lock")
	}
	current, raw, err := l.Get(ctx)
	switch {
	case apierrors.IsNotFound(err): // just released
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read the lock: %w", err)
	}
	holder.observe(current.HolderIdentity, raw, now)
	if !holder.expired(now) {
		return false, nil
	}
	l.record.LeaderTransitions = current.LeaderTransitions + 1
	err = l.Update(ctx, l.record)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) { // another process was faster
		return false, nil
	}
	l.stale = err == nil
	return l.stale, wrapf(err, "take over the lock")
}

func wrapf(err error, action string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", action, err)
}

func (in *Installer) inProgress(format string, args ...any) error {
	return sx.NewError(sx.CodeConflict, "another operation on the release %s is in progress, by %s", in.Release, fmt.Sprintf(format, args...)).
		WithHint("wait for it to end; see its progress with: %s", in.Cluster.SX(in.Release, "status", "--wait"))
}

// renew renews the lock until ctx ends. If it fails to do so in time, it cancels the
// operation.
func (in *Installer) renew(ctx context.Context, l *lock) {
	renewed := time.Now()
	for backoff.Sleep(ctx, renewInterval) == nil {
		l.record.RenewTime = metav1.Now()
		err := l.Update(ctx, l.record)
		switch {
		case err == nil:
			renewed = time.Now()
		case apierrors.IsConflict(err), apierrors.IsNotFound(err), time.Since(renewed) > leaseDuration:
			l.cancel(sx.NewError(sx.CodeConflict, "another process has taken over this operation").
				WithHint("wait for it to end; see its progress with: %s", in.Cluster.SX(in.Release, "status", "--wait")))
			return
		}
	}
}

// release deletes the lock, even if the operation was cancelled. A lock that cannot
// be deleted is taken over by the next operation.
func (l *lock) release(ctx context.Context) {
	l.cancel(nil)
	l.done.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
	defer cancel()
	leases := l.Client.Leases(l.LeaseMeta.Namespace)
	lease, err := leases.Get(ctx, l.LeaseMeta.Name, metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != l.Identity() {
		return
	}
	_ = leases.Delete(ctx, lease.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion},
	})
}

// identity returns the name of this process: sx on HOST, process PID.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	return fmt.Sprintf("sx on %s, process %d", host, os.Getpid())
}

// exited reports whether the holder was a process on this machine that has
// exited.
func exited(holder string) bool {
	own := identity()
	number, local := strings.CutPrefix(holder, own[:strings.LastIndex(own, " ")+1])
	pid, err := strconv.Atoi(number)
	return local && err == nil && !running(pid)
}

// running reports whether a process on this machine is running.
func running(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false // on Windows
	}
	err = p.Signal(syscall.Signal(0))
	return !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH)
}
