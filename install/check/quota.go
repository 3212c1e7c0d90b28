package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
)

// quota compares the sum of the release's requests with what the quotas of the
// namespace leave, and each container with the limit ranges. The release's present
// pods count as free. Quotas with scopes are left to the API server.
func quota(ctx context.Context, env *Env) error {
	objects, err := parse(env.Manifest)
	if err != nil {
		return err
	}
	core := env.Cluster.Client.CoreV1()
	quotas, err := core.ResourceQuotas(env.Cluster.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return env.accessError(err, "list the quotas")
	}
	ranges, err := core.LimitRanges(env.Cluster.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return env.accessError(err, "list the limit ranges")
	}
	if len(quotas.Items)+len(ranges.Items) == 0 {
		return nil
	}
	pods, err := core.Pods(env.Cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + env.Release})
	if err != nil {
		return env.accessError(err, "list the pods")
	}
	need := corev1.ResourceList{}
	for _, w := range objects.workloads() {
		for range w.replicas {
			addPod(need, w.pod, 1)
		}
	}
	for _, p := range pods.Items {
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			addPod(need, p.Spec, -1)
		}
	}
	violations := exceededQuotas(quotas.Items, need)
	for _, w := range objects.workloads() {
		violations = append(violations, limitRangeViolations(ranges.Items, w)...)
	}
	if len(violations) > 0 {
		return sx.NewError(sx.CodeInvalid, "%s", strings.Join(violations, "; "))
	}
	return nil
}

func exceededQuotas(quotas []corev1.ResourceQuota, need corev1.ResourceList) []string {
	var short []string
	for _, q := range quotas {
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue
		}
		for name, hard := range q.Spec.Hard {
			needed, known := need[canonical(name)]
			if !known || needed.Sign() <= 0 {
				continue
			}
			left := hard.DeepCopy()
			left.Sub(q.Status.Used[name])
			if needed.Cmp(left) > 0 {
				short = append(short, fmt.Sprintf("the quota %s leaves %s of %s, but %s more is needed", q.Name, left.String(), name, needed.String()))
			}
		}
	}
	slices.Sort(short)
	return short
}

// canonical returns the long form of names that have two in a quota.
func canonical(name corev1.ResourceName) corev1.ResourceName {
	switch name {
	case corev1.ResourceCPU:
		return corev1.ResourceRequestsCPU
	case corev1.ResourceMemory:
		return corev1.ResourceRequestsMemory
	case "count/pods":
		return corev1.ResourcePods
	}
	return name
}

func addPod(need corev1.ResourceList, pod corev1.PodSpec, sign int) {
	add := func(name corev1.ResourceName, q resource.Quantity) {
		sum := need[name]
		if sign > 0 {
			sum.Add(q)
		} else {
			sum.Sub(q)
		}
		need[name] = sum
	}
	add(corev1.ResourcePods, *resource.NewQuantity(1, resource.DecimalSI))
	for _, c := range pod.Containers {
		add(corev1.ResourceRequestsCPU, c.Resources.Requests[corev1.ResourceCPU])
		add(corev1.ResourceRequestsMemory, c.Resources.Requests[corev1.ResourceMemory])
		add(corev1.ResourceLimitsCPU, c.Resources.Limits[corev1.ResourceCPU])
		add(corev1.ResourceLimitsMemory, c.Resources.Limits[corev1.ResourceMemory])
	}
}

// limitRangeViolations compares the containers of a workload with the limit ranges.
func limitRangeViolations(ranges []corev1.LimitRange, w workload) []string {
	var violations []string
	for _, r := range ranges {
		for _, limits := range r.Spec.Limits {
			if limits.Type != corev1.LimitTypeContainer {
				continue
			}
			for _, c := range w.pod.Containers {
				violations = append(violations, containerViolations(r.Name, limits, w.name, c)...)
			}
		}
	}
	slices.Sort(violations)
	return violations
}

func containerViolations(rangeName string, limits corev1.LimitRangeItem, workload string, c corev1.Container) []string {
	var violations []string
	for name, maximum := range limits.Max {
		if limit, set := c.Resources.Limits[name]; set && limit.Cmp(maximum) > 0 {
			violations = append(violations, fmt.Sprintf("the limit range %s allows a container at most %s of %s, but %s of %s has the limit %s",
				rangeName, maximum.String(), name, c.Name, workload, limit.String()))
		}
	}
	for name, minimum := range limits.Min {
		if request, set := c.Resources.Requests[name]; set && request.Cmp(minimum) < 0 {
			violations = append(violations, fmt.Sprintf("the limit range %s requires a container to request at least %s of %s, but %s of %s requests %s",
				rangeName, minimum.String(), name, c.Name, workload, request.String()))
		}
	}
	return violations
}
