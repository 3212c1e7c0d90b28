package watch

import (
	"cmp"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soundextract/sx/install/kube"
)

// subject is the release that is diagnosed.
type subject struct {
	target  kube.Target
	release string
}

// install returns the sx install command of the release with additional flags.
func (s subject) install(flags ...string) string {
	return s.target.SX(s.release, slices.Concat([]string{"install"}, flags)...)
}

// snapshot is the state of the namespace at one moment, as the API server reports it.
type snapshot struct {
	subject
	now   time.Time
	since time.Time // problems from before are ignored
	// timeIsUp means that what does not become ready now is a problem, even if it has just started.
	timeIsUp bool
	// reported says, by component, why the parts that need it cannot use it.
	reported map[string]string
	mayStop  []string // the workloads that may be scaled to 0

	deployments  []*appsv1.Deployment
	statefulSets []*appsv1.StatefulSet
	replicaSets  []*appsv1.ReplicaSet
	pods         []*corev1.Pod
	claims       []*corev1.PersistentVolumeClaim
	events       []*corev1.Event
}

// podsOf lists the pods that the owner created, newest first, without those that are
// terminating.
func (snap *snapshot) podsOf(owner types.UID) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, p := range snap.pods {
		if ref := metav1.GetControllerOf(p); ref != nil && ref.UID == owner && p.DeletionTimestamp == nil {
			pods = append(pods, p)
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return pods
}

func (snap *snapshot) claim(name string) *corev1.PersistentVolumeClaim {
	for _, c := range snap.claims {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// eventSummary aggregates events of an object.
type eventSummary struct {
	message     string // the latest
	first, last time.Time
	count       int
}

// eventsFor aggregates the matching events of an object, limited to those of a field
// path unless it is "". It returns nil if there are none since snap.since.
func (snap *snapshot) eventsFor(object types.UID, field string, match func(*corev1.Event) bool) *eventSummary {
	var h *eventSummary
	for _, e := range snap.events {
		if e.InvolvedObject.UID != object || !match(e) || field != "" && e.InvolvedObject.FieldPath != field {
			continue
		}
		first, last, count := times(e)
		message := oneLine(e.Message)
		if h == nil {
			h = &eventSummary{first: first, last: last, message: message}
		}
		h.count += count
		if first.Before(h.first) {
			h.first = first
		}
		// Of several in the same second, always choose the same, so that the
		// row does not flicker.
		if c := last.Compare(h.last); c > 0 || c == 0 && message < h.message {
			h.last, h.message = last, message
		}
	}
	if h == nil || h.last.Before(snap.since) {
		return nil
	}
	return h
}

func reasons(reasons ...string) func(*corev1.Event) bool {
	return func(e *corev1.Event) bool { return slices.Contains(reasons, e.Reason) }
}

// times reads an event of either of the two event APIs.
func times(e *corev1.Event) (first, last time.Time, count int) {
	first, last, count = e.FirstTimestamp.Time, e.LastTimestamp.Time, max(1, int(e.Count))
	if first.IsZero() {
		first = e.EventTime.Time
	}
	if first.IsZero() {
		first = e.CreationTimestamp.Time
	}
	if e.Series != nil {
		count = max(count, int(e.Series.Count))
		last = e.Series.LastObservedTime.Time
	}
	if last.Before(first) {
		last = first
	}
	return first, last, count
}

// exceeded reports whether something that started at a time has lasted for the grace
// period, counted from snap.since at the earliest.
func (snap *snapshot) exceeded(start time.Time, grace time.Duration) bool {
	if start.Before(snap.since) {
		start = snap.since
	}
	return snap.now.Sub(start) >= grace
}
