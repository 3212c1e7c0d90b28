package watch

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsinformers "k8s.io/client-go/informers/apps/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/soundextract/sx/install/kube"
)

// view keeps a copy of the namespace by watching it. Its watches reconnect
// after the API server was unavailable.
type view struct {
	subject
	watched  []cache.SharedIndexInformer
	running  sync.WaitGroup // of them
	cancel   context.CancelFunc
	changed  chan struct{}
	denied   chan error
	handlers []cache.ResourceEventHandlerRegistration
}

func newView(cluster *kube.Cluster, release string) *view {
	// Not a SharedInformerFactory, which would link the informers of all types into sx.
	ofRelease := func(o *metav1.ListOptions) { o.LabelSelector = labelInstance + "=" + release }
	client, namespace, by := cluster.Client, cluster.Namespace, cache.Indexers{}
	v := &view{
		subject: subject{cluster.Target, release},
		changed: make(chan struct{}, 1),
		denied:  make(chan error, 1),
	}
	v.watched = []cache.SharedIndexInformer{
		appsinformers.NewFilteredDeploymentInformer(client, namespace, 0, by, ofRelease),
		appsinformers.NewFilteredStatefulSetInformer(client, namespace, 0, by, ofRelease),
		appsinformers.NewFilteredReplicaSetInformer(client, namespace, 0, by, ofRelease),
		coreinformers.NewFilteredPodInformer(client, namespace, 0, by, ofRelease),
		coreinformers.NewPersistentVolumeClaimInformer(client, namespace, 0, by),
		coreinformers.NewEventInformer(client, namespace, 0, by),
	}
	return v
}

func (v *view) start(ctx context.Context) {
	ctx, v.cancel = context.WithCancel(ctx)
	for _, i := range v.watched {
		// Neither call fails before the informer runs. Without an error
		// handler, the informer would log to standard error.
		_ = i.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
			if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
				select {
				case v.denied <- err:
				default:
				}
			}
		})
		registration, _ := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { v.notify() }, UpdateFunc: func(_, _ any) { v.notify() }, DeleteFunc: func(any) { v.notify() },
		})
		v.handlers = append(v.handlers, registration)
	}
	for _, i := range v.watched {
		v.running.Go(func() { i.RunWithContext(ctx) })
	}
}

func (v *view) notify() {
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

func (v *view) close() {
	v.cancel()
	v.running.Wait()
}

func (v *view) synced() bool {
	for _, h := range v.handlers {
		if !h.HasSynced() {
			return false
		}
	}
	return true
}

func (v *view) snapshot(now, since time.Time) *snapshot {
	snap := &snapshot{subject: v.subject, now: now, since: since}
	for _, i := range v.watched {
		for _, o := range i.GetStore().List() {
			switch o := o.(type) {
			case *appsv1.Deployment:
				snap.deployments = append(snap.deployments, o)
			case *appsv1.StatefulSet:
				snap.statefulSets = append(snap.statefulSets, o)
			case *appsv1.ReplicaSet:
				snap.replicaSets = append(snap.replicaSets, o)
			case *corev1.Pod:
				snap.pods = append(snap.pods, o)
			case *corev1.PersistentVolumeClaim:
				snap.claims = append(snap.claims, o)
			case *corev1.Event:
				snap.events = append(snap.events, o)
			}
		}
	}
	return snap
}

// list takes a single snapshot.
func list(ctx context.Context, cluster *kube.Cluster, release string) (*snapshot, error) {
	snap := &snapshot{subject: subject{cluster.Target, release}, now: time.Now()}
	selected, apps, core := metav1.ListOptions{LabelSelector: labelInstance + "=" + release}, cluster.Client.AppsV1(), cluster.Client.CoreV1()
	var err error
	get := func(what string, call func() error) {
		if err == nil {
			if err = call(); err != nil {
				err = cluster.WrapError(fmt.Errorf("list %s: %w", what, err))
			}
		}
	}
	get("deployments", func() error {
		l, err := apps.Deployments(cluster.Namespace).List(ctx, selected)
		snap.deployments = pointers(l, err, func(l *appsv1.DeploymentList) []appsv1.Deployment { return l.Items })
		return err
	})
	get("stateful sets", func() error {
		l, err := apps.StatefulSets(cluster.Namespace).List(ctx, selected)
		snap.statefulSets = pointers(l, err, func(l *appsv1.StatefulSetList) []appsv1.StatefulSet { return l.Items })
		return err
	})
	get("replica sets", func() error {
		l, err := apps.ReplicaSets(cluster.Namespace).List(ctx, selected)
		snap.replicaSets = pointers(l, err, func(l *appsv1.ReplicaSetList) []appsv1.ReplicaSet { return l.Items })
		return err
	})
	get("pods", func() error {
		l, err := core.Pods(cluster.Namespace).List(ctx, selected)
		snap.pods = pointers(l, err, func(l *corev1.PodList) []corev1.Pod { return l.Items })
		return err
	})
	get("claims", func() error {
		l, err := core.PersistentVolumeClaims(cluster.Namespace).List(ctx, metav1.ListOptions{})
		snap.claims = pointers(l, err, func(l *corev1.PersistentVolumeClaimList) []corev1.PersistentVolumeClaim { return l.Items })
		return err
	})
	get("events", func() error {
		l, err := core.Events(cluster.Namespace).List(ctx, metav1.ListOptions{})
		snap.events = pointers(l, err, func(l *corev1.EventList) []corev1.Event { return l.Items })
		return err
	})
	return snap, err
}

func pointers[L, T any](l *L, err error, items func(*L) []T) []*T {
	if err != nil {
		return nil
	}
	var all []*T
	for _, item := range items(l) {
		all = append(all, &item)
	}
	return all
}
