package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// order are the components in the order in which they depend on each other.
var order = []string{"mongodb", "rabbitmq", "auth", "gateway", "converter", "notifier"}

// needs lists, for each component, those without which its pods do not become ready.
var needs = map[string][]string{
	"auth":      {"mongodb"},
	"gateway":   {"mongodb", "rabbitmq", "auth"},
	"converter": {"mongodb", "rabbitmq"},
	"notifier":  {"mongodb", "rabbitmq", "auth"},
}

// byDependency puts a component before those that need it, and unknown ones last.
func byDependency(a, b Row) int {
	rank := func(r Row) int {
		if i := slices.Index(order, r.Component); i >= 0 {
			return i
		}
		return len(order)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name))
}

// markConsequences marks rollouts that only wait for another one: their pods run but are
// not ready, which is what the services do while they cannot reach a dependency.
// elsewhere are the problems of dependencies that are not part of the release.
func markConsequences(rollouts []*rollout, elsewhere []Problem) {
	type cause struct {
		name, object string
		problem      bool // otherwise it is only starting
	}
	unready := map[string]cause{}
	for _, p := range elsewhere {
		unready[p.component] = cause{p.Object, p.Object, true}
	}
	for _, r := range rollouts { // dependencies come first
		var because *cause
		for _, need := range needs[r.row.Component] {
			if c, ok := unready[need]; ok && (because == nil || c.problem && !because.problem) {
				because = &c
			}
		}
		if r.row.State == StateReady {
			continue
		}
		if because == nil || !r.waits() {
			own := r.row.State == StateStopped || r.row.State == StateFailing || r.row.State == StateFailed
			unready[r.row.Component] = cause{r.row.Name, r.row.object(), own}
			continue
		}
		r.row.Because, r.row.Reason = because.name, "waits for "+because.name
		if !because.problem { // nothing is wrong yet
			r.problems = nil
			continue
		}
		r.row.State = StateWaiting
		for i := range r.problems {
			r.problems[i].ConsequenceOf = because.object
		}
	}
}

// waits reports whether nothing is known to be wrong with the rollout except that its
// pods are not ready yet.
func (r *rollout) waits() bool {
	return r.row.State == StateStarting && !slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Reason != ReasonNotReady })
}

// stopped is the problem of a workload without pods.
func (snap *snapshot) stopped(r Row) Problem {
	p := Problem{
		Object: r.object(), Reason: ReasonStopped, Message: "scaled to 0, so that it does no work",
		Next:  snap.target.Kubectl("scale", strings.ToLower(r.Kind), r.Name, "--replicas", "1"),
		Fatal: snap.exceeded(snap.since, stopGrace),
	}
	if why := snap.reported[r.Component]; why != "" {
		p.Message = "scaled to 0: " + why
	}
	return p
}

// unresponsive is the problem of a workload that Kubernetes considers ready, but that the
// parts which need it cannot use.
func (snap *snapshot) unresponsive(r *rollout, why string) Problem {
	p := Problem{
		Object: r.row.object(), Reason: ReasonUnresponsive, Message: why,
		Next: snap.target.Kubectl("rollout", "restart", strings.ToLower(r.row.Kind)+"/"+r.row.Name),
	}
	if len(r.pods) > 0 {
		p.Pod, p.Container = r.pods[0].Name, r.row.Component
	}
	return p
}

// settleTime is how long the parts that need another one may take to connect to it again.
const settleTime = 30 * time.Second

// stable reports whether all pods have been ready for a while.
func (snap *snapshot) stable(pods []*corev1.Pod) bool {
	return !slices.ContainsFunc(pods, func(p *corev1.Pod) bool {
		return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && snap.now.Sub(c.LastTransitionTime.Time) < settleTime
		})
	})
}

// external returns the problems of dependencies that are not part of the release.
func (snap *snapshot) external(rollouts []*rollout) []Problem {
	var problems []Problem
	for _, component := range []string{"mongodb", "rabbitmq"} {
		why := snap.reported[component]
		if why == "" || slices.ContainsFunc(rollouts, func(r *rollout) bool { return r.row.Component == component }) {
			continue
		}
		problems = append(problems, Problem{
			Object: "external " + component, Reason: ReasonUnresponsive, Message: why, component: component,
			Next: snap.target.Kubectl("logs", "-l", fmt.Sprintf("%s=%s,%s=gateway", labelInstance, snap.release, labelComponent), "--tail", "20"),
		})
	}
	return problems
}
