package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// rollout is the newest rollout of one workload.
type rollout struct {
	row      Row
	done     bool
	waiting  string        // what it waits for, if there is no problem
	pods     []*corev1.Pod // of this rollout only
	problems []Problem
	editor   string // who has changed its pods since it was installed
}

// diagnose returns the rows in the order in which the parts depend on each other, and
// all problems: the most significant first, and consequences of others last.
func (snap *snapshot) diagnose() ([]Row, []Problem) {
	var rollouts []*rollout
	for _, s := range snap.statefulSets {
		rollouts = append(rollouts, snap.statefulSet(s))
	}
	for _, d := range snap.deployments {
		rollouts = append(rollouts, snap.deployment(d))
	}
	slices.SortStableFunc(rollouts, func(a, b *rollout) int { return byDependency(a.row, b.row) })
	problems := snap.external(rollouts)
	excused := map[string]bool{} // components that need another one, which is not ready or has just become so
	excuse := func(part string) {
		for component, parts := range needs {
			excused[component] = excused[component] || slices.Contains(parts, part)
		}
	}
	for _, p := range problems {
		excuse(p.component)
	}
	for _, r := range rollouts { // dependencies come first
		snap.finish(r, excused[r.row.Component])
		if r.row.State != StateReady || !snap.stable(r.pods) {
			excuse(r.row.Component)
		}
	}
	markConsequences(rollouts, problems)
	var rows []Row
	for _, r := range rollouts {
		rows = append(rows, r.row)
		problems = append(problems, r.problems...)
	}
	slices.SortStableFunc(problems, bySignificance)
	return rows, problems
}

// secondary are the reasons that are usually a consequence of another problem.
var secondary = []string{ReasonOldPodBlocks, ReasonEvicted, ReasonNothingStarted, ReasonNodeNotReady, ReasonNotReady}

func bySignificance(a, b Problem) int {
	return cmp.Or(
		compareBool(a.ConsequenceOf != "", b.ConsequenceOf != ""),
		compareBool(!a.Fatal, !b.Fatal),
		cmp.Compare(slices.Index(secondary, a.Reason), slices.Index(secondary, b.Reason)),
	)
}

// compareBool puts false first.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// finish determines the state of a rollout. One that is excused is not to blame for what
// others report about it.
func (snap *snapshot) finish(r *rollout, excused bool) {
	for _, p := range r.pods {
		if ready(p) {
			r.row.Ready++
		}
	}
	switch {
	case r.row.Desired == 0:
		p := snap.stopped(r.row)
		r.row.State, r.row.Reason, r.problems = StateStopped, p.Message, nil
		if !slices.Contains(snap.mayStop, r.row.Name) {
			r.problems = []Problem{p}
		}
		return
	case r.done:
		r.row.State, r.row.Ready, r.problems = StateReady, r.row.Desired, nil
		if why := snap.reported[r.row.Component]; why != "" && !excused && snap.stable(r.pods) {
			r.problems = []Problem{snap.unresponsive(r, why)}
			r.row.State, r.row.Reason = StateFailing, ReasonUnresponsive+": "+why
		}
		return
	case len(r.problems) == 0:
		for _, p := range r.pods {
			r.problems = append(r.problems, snap.podProblems(p, r.row)...)
		}
		snap.blameEdit(r)
	}
	slices.SortStableFunc(r.problems, bySignificance)
	onNode := slices.ContainsFunc(r.pods, func(p *corev1.Pod) bool { return p.Spec.NodeName != "" })
	switch {
	case len(r.problems) > 0:
		p := r.problems[0]
		r.row.State, r.row.Reason = StateFailing, p.Reason+": "+p.Message
		if p.Fatal {
			r.row.State = StateFailed
		} else if p.Reason == ReasonNotReady {
			r.row.State, r.row.Reason = StateStarting, p.Message // as every pod is at first
		}
	case onNode:
		r.row.State, r.row.Reason = StateStarting, cmp.Or(r.waiting, snap.progress(r.pods))
	default:
		r.row.State, r.row.Reason = StatePending, cmp.Or(r.waiting, "waiting for its pods")
	}
}

func (snap *snapshot) deployment(d *appsv1.Deployment) *rollout {
	r := &rollout{row: row("Deployment", d.ObjectMeta, d.Spec.Replicas), editor: editor(d.ManagedFields)}
	if d.Status.ObservedGeneration < d.Generation {
		r.waiting = "the rollout is starting"
		return r
	}
	desired, s := int32(r.row.Desired), d.Status
	r.done = s.UpdatedReplicas == desired && s.Replicas == desired && s.AvailableReplicas == desired
	if s.UpdatedReplicas == desired && s.Replicas > desired {
		r.waiting = "waiting for old pods to terminate"
	}
	for _, c := range s.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Reason == "ReplicaSetCreateError" && !c.LastUpdateTime.Time.Before(snap.since) {
			r.problems = append(r.problems, snap.refused(r.row, oneLine(c.Message), snap.exceeded(c.LastTransitionTime.Time, createGrace)))
		}
	}
	const revision = "deployment.kubernetes.io/revision"
	for _, rs := range snap.replicaSets {
		if metav1.IsControlledBy(rs, d) && rs.Annotations[revision] == d.Annotations[revision] {
			r.pods = snap.podsOf(rs.UID)
			r.problems = append(r.problems, snap.creationProblems(r, rs.UID)...)
		}
	}
	return r
}

func (snap *snapshot) statefulSet(s *appsv1.StatefulSet) *rollout {
	r := &rollout{row: row("StatefulSet", s.ObjectMeta, s.Spec.Replicas), editor: editor(s.ManagedFields)}
	if s.Status.ObservedGeneration < s.Generation {
		r.waiting = "the rollout is starting"
		return r
	}
	desired, st := int32(r.row.Desired), s.Status
	r.done = st.Replicas == desired && st.UpdatedReplicas == desired && st.ReadyReplicas == desired && st.AvailableReplicas == desired
	var old []*corev1.Pod
	for _, p := range snap.podsOf(s.UID) {
		if p.Labels[appsv1.ControllerRevisionHashLabelKey] == st.UpdateRevision {
			r.pods = append(r.pods, p)
		} else {
			old = append(old, p)
		}
	}
	if len(old) > 0 {
		r.waiting = "waiting for old pods to terminate"
	}
	r.problems = snap.creationProblems(r, s.UID)
	if s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
		r.problems = append(r.problems, snap.blocked(r, old)...)
	}
	return r
}

// blocked returns the problems of old pods that are not ready: an ordered StatefulSet
// waits for them before it replaces any, even if the new rollout would fix them.
func (snap *snapshot) blocked(r *rollout, old []*corev1.Pod) []Problem {
	var problems []Problem
	for _, p := range old {
		if causes := snap.podProblems(p, r.row); len(causes) > 0 {
			cause := causes[0]
			cause.Message = fmt.Sprintf("a pod of the previous rollout is not ready (%s: %s), and the new one waits for it", cause.Reason, cause.Message)
			cause.Reason = ReasonOldPodBlocks
			cause.Next = snap.target.Kubectl("delete", "pod", p.Name)
			problems = append(problems, cause)
		}
	}
	return problems
}

func row(kind string, meta metav1.ObjectMeta, replicas *int32) Row {
	desired := 1
	if replicas != nil {
		desired = int(*replicas)
	}
	return Row{Kind: kind, Name: meta.Name, Component: meta.Labels[labelComponent], Desired: desired}
}

func (r Row) object() string { return r.Kind + "/" + r.Name }

func ready(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// progress returns what pods without problems are waiting for.
func (snap *snapshot) progress(pods []*corev1.Pod) string {
	for _, p := range pods {
		if ready(p) || p.Spec.NodeName == "" {
			continue
		}
		pulling, pulled := snap.eventsFor(p.UID, "", reasons("Pulling")), snap.eventsFor(p.UID, "", reasons("Pulled", "Failed"))
		if pulling != nil && (pulled == nil || pulled.last.Before(pulling.last)) {
			return strings.ToLower(pulling.message[:1]) + pulling.message[1:]
		}
		if p.Status.Phase == corev1.PodPending {
			return "creating its containers"
		}
	}
	return "waiting until it is ready"
}

// oneLine joins the lines of a message.
func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}

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
		p.Reason, p.Next = ReasonQuota, snap.target.Kubectl("describe", "resourcequota")
	case strings.Contains(message, "LimitRange"), strings.Contains(message, "maximum cpu"), strings.Contains(message, "maximum memory"):
		p.Next = snap.target.Kubectl("describe", "limitrange")
	case strings.Contains(message, "PodSecurity"):
		p.Next = snap.target.Kubectl("get", "namespace", snap.target.Namespace, "--show-labels")
	case strings.Contains(message, "ValidatingAdmissionPolicy"):
		p.Next = snap.target.Kubectl("describe", "validatingadmissionpolicies")
	case strings.Contains(message, "webhook"):
		p.Next = snap.target.Kubectl("get", "validatingwebhookconfigurations,mutatingwebhookconfigurations")
	case strings.Contains(message, "service account") || strings.Contains(message, "serviceaccount"):
		p.Next = snap.install()
	default:
		p.Next = snap.target.Kubectl("describe", strings.ToLower(r.Kind), r.Name)
	}
	return p
}
