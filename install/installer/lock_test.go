package installer_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	coordination "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/server/sx"
)

// held is the lock, held by another process.
func held(holder string) *coordination.Lease {
	return &coordination.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "soundextract-sx", Namespace: namespace},
		Spec:       coordination.LeaseSpec{HolderIdentity: &holder},
	}
}

// dead is the identity of a process on this machine that has exited.
func dead(t *testing.T) string {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	ended := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("sx on %s, process %d", host, ended.Process.Pid)
}

func TestRecover(t *testing.T) {
	t.Parallel()
	revision := func(status release.Status, age time.Duration) release.Info {
		return release.Info{Revision: 1, Status: status, Updated: time.Now().Add(-age)}
	}
	tests := []struct {
		name  string
		last  release.Info
		lock  string // "" is none
		calls []string
		code  sx.Code
	}{
		{"pending, by a process that exited", revision(release.Pending, time.Second), dead(t), []string{"fail", "apply"}, ""},
		{"pending for a long time", revision(release.Pending, time.Hour), "", []string{"fail", "apply"}, ""},
		{"pending, by Helm perhaps", revision(release.Pending, time.Second), "", nil, sx.CodeConflict},
		{"partly removed", revision(release.Removing, time.Second), dead(t), []string{"uninstall", "apply"}, ""},
		{"failed", revision(release.Failed, time.Second), "", []string{"apply"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var there []runtime.Object
			if tt.lock != "" {
				there = append(there, held(tt.lock))
			}
			l := newFixture(t, nil, there...)
			l.runner.revisions = []release.Info{tt.last}
			_, err := l.Install(t.Context(), options())
			if tt.code != "" {
				wantCode(t, err, tt.code)
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(l.runner.calls, tt.calls) {
				t.Errorf("got %q, want %q", l.runner.calls, tt.calls)
			}
		})
	}
}

// TestLockOfAnother checks that a process on another machine that does not
// renew the lock counts as dead after 15 s, and that one that does is waited
// for, for a bounded time.
func TestLockOfAnother(t *testing.T) {
	t.Parallel()
	t.Run("not renewed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			l := newFixture(t, nil, held("sx on elsewhere, process 1"))
			start := time.Now()
			if _, err := l.Install(t.Context(), options()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < 15*time.Second || took > 20*time.Second {
				t.Errorf("it waited %s", took)
			}
		})
	})
	t.Run("renewed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			l := newFixture(t, nil, held("sx on elsewhere, process 1"))
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() {
				for n := 0; ctx.Err() == nil; n++ {
					renewed := held("sx on elsewhere, process 1")
					now := metav1.NowMicro()
					renewed.ResourceVersion, renewed.Spec.RenewTime = fmt.Sprint("other", n), &now
					_, _ = l.client.CoordinationV1().Leases(namespace).Update(ctx, renewed, metav1.UpdateOptions{})
					select {
					case <-ctx.Done():
					case <-time.After(5 * time.Second): // of the bubble's clock
					}
				}
			}()
			_, err := l.Install(ctx, options())
			wantCode(t, err, sx.CodeConflict)
			if len(l.runner.calls) > 0 {
				t.Errorf("it still did %q", l.runner.calls)
			}
		})
	})
}
