package watch_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"github.com/soundextract/sx/install/watch"
	"github.com/soundextract/sx/server/sx"
)

// TestWaitUntilReady covers a failing pod of the previous rollout and an API
// server that is unavailable at first.
func TestWaitUntilReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		objects := append(deployment(name, 2), pod(name+"-1", crashed(9, "Error", 3)))
		c, client := cluster(objects...)
		back := time.Now().Add(20 * time.Second)
		client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			if time.Now().Before(back) {
				return true, nil, errors.New("connection refused")
			}
			return false, nil, nil
		})
		ready := make(chan error, 1)
		go func() {
			<-time.After(2 * time.Minute) // of the bubble's clock
			_, err := client.AppsV1().Deployments(namespace).Update(context.Background(), available(objects[0].(*appsv1.Deployment)), metav1.UpdateOptions{})
			ready <- err
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		start := time.Now()
		var states []watch.State
		err := watch.Wait(ctx, c, release, nil, func(rows []watch.Row) { states = append(states, rows[0].State) })
		if err := errors.Join(err, <-ready); err != nil {
			t.Fatal(err)
		}
		after(t, start, 2*time.Minute, 2*time.Minute+time.Second)
		if want := []watch.State{watch.StatePending, watch.StateReady}; !slices.Equal(states, want) {
			t.Errorf("the states were %v, want %v", states, want)
		}
	})
}

// TestObservedGeneration checks that a workload is not ready until its
// controller has observed the latest change.
func TestObservedGeneration(t *testing.T) {
	t.Parallel()
	d := available(deployment(name, 1)[0].(*appsv1.Deployment))
	c, client := cluster(d)
	rows, _, err := watch.Status(t.Context(), c, release, nil)
	if err != nil || rows[0].State != watch.StateReady || rows[0].Ready != 1 {
		t.Fatalf("got %+v, %v", rows, err)
	}
	d.Generation = 2
	if _, err := client.AppsV1().Deployments(namespace).Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if rows, _, err = watch.Status(t.Context(), c, release, nil); err != nil || rows[0].State == watch.StateReady {
		t.Errorf("got %+v, %v", rows, err)
	}
	d.Status.ObservedGeneration, d.Status.Replicas = 2, 2
	if _, err := client.AppsV1().Deployments(namespace).Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if rows, _, err = watch.Status(t.Context(), c, release, nil); err != nil || rows[0].State == watch.StateReady || rows[0].Reason != "waiting for old pods to terminate" {
		t.Errorf("with an old pod left: got %+v, %v", rows, err)
	}
}

// TestOldEvidence checks that failures from before Follow started are ignored,
// because their cause may have been fixed.
func TestOldEvidence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := cluster(append(deployment(name, 1), pod(name+"-1", crashed(9, "Error", 3)))...)
		<-time.After(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if err := watch.Follow(ctx, c, release, nil); err != nil {
			t.Errorf("Follow returned %v", err)
		}
		var p *watch.Problem
		if _, problems, err := watch.Status(t.Context(), c, release, nil); err != nil || len(problems) != 1 || !problems[0].Fatal {
			t.Errorf("Status got %+v, %v", problems, err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := watch.Wait(ctx, c, release, nil, nil); !errors.As(err, &p) || p.Reason != watch.ReasonCrashLoop || len(p.Log) == 0 {
			t.Errorf("at the deadline Wait returned %v", err)
		}
	})
}

func TestForbidden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := cluster()
		client.PrependReactor("list", "events", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", errors.New("no"))
		})
		if err := watch.Follow(t.Context(), c, release, nil); sx.CodeOf(err) != sx.CodeForbidden {
			t.Errorf("Follow: got %v", err)
		}
		if _, _, err := watch.Status(t.Context(), c, release, nil); sx.CodeOf(err) != sx.CodeForbidden {
			t.Errorf("Status: got %v", err)
		}
	})
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := cluster(deployment(name, 1)...)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if err := watch.Wait(ctx, c, release, nil, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait: got %v", err)
		}
		if err := watch.Follow(ctx, c, release, nil); err != nil {
			t.Errorf("Follow: got %v", err)
		}
	})
}
