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

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/soundextract/sx/server/sx"
)

// The times of the lock, a Lease as in client-go's leader election: who holds it
// renews it, and one that was not renewed for its life is anyone's.
const (
	leaseDuration = 15 * time.Second
	renewInterval = 5 * time.Second
	pollInterval  = time.Second     // between two looks at one that another holds
	lockTimeout   = 2 * time.Minute // for another's operation to end
	unlockTimeout = 5 * time.Second
)

// lock keeps two of sx from working on a release at once.
type lock struct {
	leases typed.LeaseInterface
	held   *coordination.Lease
	stale  bool // it was left by an sx that is gone
	stop   context.CancelCauseFunc
	done   sync.WaitGroup
}

// lock takes the release's lock and renews it until it is released. The context
// ends when the lock is lost, with an *sx.Error as its cause.
func (in *Installer) lock(ctx context.Context) (context.Context, *lock, error) {
	l := &lock{leases: in.Cluster.Client.CoordinationV1().Leases(in.Cluster.Namespace)}
	if err := in.acquire(ctx, l); err != nil {
		return nil, nil, in.Cluster.WrapError(err)
	}
	inner, cancel := context.WithCancelCause(ctx)
	l.stop = cancel
	l.done.Go(func() { l.renew(inner) })
	return inner, l, nil
}

func (in *Installer) lockName() string { return in.Release + "-sx" }

// acquire waits while another sx that is alive holds the lock.
func (in *Installer) acquire(ctx context.Context, l *lock) error {
	wanted := in.lease()
	begin := in.Now()
	seen, since := "", begin // the other's last sign of life, and when it was first seen
	for waiting := false; ; {
		made, err := l.leases.Create(ctx, wanted, metav1.CreateOptions{})
		if err == nil {
			l.held = made
			return nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("take the lock: %w", err)
		}
		there, err := l.leases.Get(ctx, wanted.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the lock: %w", err)
		}
		holder := deref(there.Spec.HolderIdentity)
		if there.ResourceVersion != seen {
			seen, since = there.ResourceVersion, in.Now()
		}
		// Only this machine's clock counts: another's may be wrong.
		if exited(holder) || in.Now().Sub(since) > leaseDuration {
			there.Spec = wanted.Spec
			if l.held, err = l.leases.Update(ctx, there, metav1.UpdateOptions{}); err == nil {
				l.stale = true
				return nil
			}
			if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				return fmt.Errorf("take over the lock: %w", err)
			}
			continue
		}
		if in.Now().Sub(begin) > lockTimeout {
			return in.inProgress("%s", holder)
		}
		if !waiting {
			waiting = true
			in.report(Event{Step: "wait for another operation", State: Started, Detail: holder})
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

func (in *Installer) lease() *coordination.Lease {
	holder, life, now := identity(), int32(leaseDuration.Seconds()), metav1.NewMicroTime(in.Now())
	return &coordination.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: in.lockName(), Labels: map[string]string{
			"app.kubernetes.io/name": "soundextract", "app.kubernetes.io/instance": in.Release, "app.kubernetes.io/managed-by": "sx",
		}},
		Spec: coordination.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &life, AcquireTime: &now, RenewTime: &now},
	}
}

func (in *Installer) inProgress(format string, args ...any) error {
	return sx.NewError(sx.CodeConflict, "another operation on the release %s is under way, by %s", in.Release, fmt.Sprintf(format, args...)).
		WithHint("wait for it, and look with: sx status --wait -n %s", in.Cluster.Namespace)
}

func (l *lock) renew(ctx context.Context) {
	ticker := time.NewTicker(renewInterval)
	defer ticker.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := metav1.NowMicro()
		l.held.Spec.RenewTime = &now
		next, err := l.leases.Update(ctx, l.held, metav1.UpdateOptions{})
		switch {
		case err == nil:
			l.held, renewed = next, time.Now()
		case apierrors.IsConflict(err), apierrors.IsNotFound(err), time.Since(renewed) > leaseDuration:
			l.stop(sx.NewError(sx.CodeConflict, "another sx has taken over this operation").
				WithHint("wait for it, and look with: sx status --wait"))
			return
		}
	}
}

// release gives the lock back, also when the operation was interrupted.
func (l *lock) release(ctx context.Context) {
	l.stop(nil)
	l.done.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
	defer cancel()
	uid := l.held.UID
	// One that stays is taken over by the next operation.
	_ = l.leases.Delete(ctx, l.held.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
}

// identity names this process: sx on HOST, process PID.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	return fmt.Sprintf("sx on %s, process %d", host, os.Getpid())
}

// gone says whether the holder was a process of this machine that has ended, so
// that nobody waits for the end of its lock's life.
func exited(holder string) bool {
	mine := identity()
	number, here := strings.CutPrefix(holder, mine[:strings.LastIndex(mine, " ")+1])
	pid, err := strconv.Atoi(number)
	return here && err == nil && !running(pid)
}

// alive says whether a process of this machine runs.
func running(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false // as Windows says it
	}
	err = p.Signal(syscall.Signal(0))
	return !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
