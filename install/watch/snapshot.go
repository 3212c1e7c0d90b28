package watch

import (
	"cmp"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// snapshot is the state of the namespace at one moment, as the API server reports it.
type snapshot struct {
	commands
	now   time.Time
	since time.Time // what went wrong before counts for nothing

	deployments  []*appsv1.Deployment
	statefulSets []*appsv1.StatefulSet
	replicaSets  []*appsv1.ReplicaSet
	pods         []*corev1.Pod
	claims       []*corev1.PersistentVolumeClaim
	events       []*corev1.Event
}

// podsOf lists the pods that the owner made, newest first, without those that go.
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

// eventSummary is all that the cluster said about one thing: events of one reason.
type eventSummary struct {
	message     string // the latest
	first, last time.Time
	count       int
}

// eventsFor sums up the events about an object that have one of the reasons, and
// about the part of it whose field path is given ("" is any). It is nil when the
// last one is of before the time since which events count.
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
		// Of those of the same second always the same, or the row would flicker.
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

// times reads an event of either of the two APIs that make them.
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

// exceeded says whether something that began at a time has gone on for the grace,
// counted from when things began to count.
func (snap *snapshot) exceeded(begin time.Time, grace time.Duration) bool {
	if begin.Before(snap.since) {
		begin = snap.since
	}
	return snap.now.Sub(begin) >= grace
}
