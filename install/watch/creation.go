package watch

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// createGrace is for a quota that terminating pods still use, and for a webhook that
// restarts: the controllers retry after seconds at first, then with back-off.
const createGrace = 15 * time.Second

// creationProblems returns the problem of pods that the API server refuses to create.
func (snap *snapshot) creationProblems(r *rollout, maker types.UID) []Problem {
	if len(r.pods) >= r.row.Desired {
		return nil
	}
	h := snap.eventsFor(maker, "", func(e *corev1.Event) bool {
		return e.Reason == "FailedCreate" && !strings.Contains(e.Message, "already exists")
	})
	if h == nil || len(r.pods) > 0 && r.pods[0].CreationTimestamp.After(h.last) {
		return nil
	}
	return []Problem{snap.refused(r.row, h.message, snap.exceeded(h.first, createGrace))}
}

// refused explains why, and where to look.
func (snap *snapshot) refused(r Row, message string, fatal bool) Problem {
	message = strings.TrimPrefix(message, "(combined from similar events): ")
	message = strings.TrimPrefix(message, "Error creating: ")
	if _, cause, found := strings.Cut(message, " failed error: "); found {
		message = cause
	}
	p := Problem{Object: r.object(), Reason: ReasonRefused, Message: message, Fatal: fatal}
	switch {
	case strings.Contains(message, "exceeded quota"), strings.Contains(message, "failed quota"):
		p.Reason, p.Next = ReasonQuota, snap.kubectl("describe", "resourcequota")
	case strings.Contains(message, "LimitRange"), strings.Contains(message, "maximum cpu"), strings.Contains(message, "maximum memory"):
		p.Next = snap.kubectl("describe", "limitrange")
	case strings.Contains(message, "PodSecurity"):
		p.Next = snap.line("kubectl", []string{"get", "namespace", snap.target.Namespace, "--show-labels"})
	case strings.Contains(message, "webhook"):
		p.Next = snap.kubectl("get", "validatingwebhookconfigurations,mutatingwebhookconfigurations")
	case strings.Contains(message, "service account") || strings.Contains(message, "serviceaccount"):
		p.Next = snap.install()
	default:
		p.Next = snap.kubectl("describe", strings.ToLower(r.Kind), r.Name)
	}
	return p
}
