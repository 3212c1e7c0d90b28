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

// quota compares what the release requests with what the quotas of the namespace leave,
// including the pods that a rollout starts before it stops old ones, and each container
// and volume claim with the limit ranges. The release's present pods count as free. Quotas
// with scopes are left to the API server.
func quota(ctx context.Context, env *Env) error {
	objects, err := env.objects()
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
	workloads := objects.workloads()
	for i := range workloads {
		workloads[i].pod = withDefaults(workloads[i].pod, ranges.Items)
	}
	need, surges, err := env.needed(ctx, objects, workloads)
	if err != nil {
		return err
	}
	violations := exceededQuotas(quotas.Items, need, surges)
	for _, w := range workloads {
		violations = append(violations, unspecified(quotas.Items, w)...)
		violations = append(violations, limitRangeViolations(ranges.Items, w)...)
	}
	if len(violations) > 0 {
		return sx.NewError(sx.CodeInvalid, "%s", strings.Join(violations, "; "))
	}
	return nil
}

// needed returns what the release needs beyond what it has, and whether that includes
// pods which exist only during a rollout.
func (env *Env) needed(ctx context.Context, objects *objects, workloads []workload) (need corev1.ResourceList, surges bool, err error) {
	core := env.Cluster.Client.CoreV1()
	pods, err := core.Pods(env.Cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + env.Release})
	if err != nil {
		return nil, false, env.accessError(err, "list the pods")
	}
	claims, err := core.PersistentVolumeClaims(env.Cluster.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, false, env.accessError(err, "list the volume claims")
	}
	extra, err := env.surge(ctx, objects)
	if err != nil {
		return nil, false, err
	}
	need = corev1.ResourceList{}
	for _, w := range workloads {
		for i := range w.replicas {
			addPod(need, w.pod, 1)
			for _, c := range w.claims {
				name := fmt.Sprintf("%s-%s-%d", c.Name, w.name, i)
				if !slices.ContainsFunc(claims.Items, func(e corev1.PersistentVolumeClaim) bool { return e.Name == name }) {
					addClaim(need, c)
				}
			}
		}
		for range extra[w.name] {
			surges = true
			addPod(need, w.pod, 1)
		}
	}
	for _, p := range pods.Items {
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			addPod(need, p.Spec, -1)
		}
	}
	return need, surges, nil
}

// withDefaults returns the pod with the requests and limits that limit ranges add, and
// Kubernetes itself: a limit without a request is the request too.
func withDefaults(pod corev1.PodSpec, ranges []corev1.LimitRange) corev1.PodSpec {
	pod = *pod.DeepCopy()
	for _, list := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range list {
			r := &list[i].Resources
			if r.Requests == nil {
				r.Requests = corev1.ResourceList{}
			}
			if r.Limits == nil {
				r.Limits = corev1.ResourceList{}
			}
			for name, q := range r.Limits {
				if _, set := r.Requests[name]; !set {
					r.Requests[name] = q
				}
			}
			for _, limits := range ranges {
				for _, item := range limits.Spec.Limits {
					if item.Type == corev1.LimitTypeContainer {
						addMissing(r.Limits, item.Default)
						addMissing(r.Requests, item.DefaultRequest)
					}
				}
			}
		}
	}
	return pod
}

func addMissing(into, defaults corev1.ResourceList) {
	for name, q := range defaults {
		if _, set := into[name]; !set {
			into[name] = q
		}
	}
}

// unspecified lists what a quota limits but a container of the workload does not specify:
// the API server refuses its pods
// (https://kubernetes.io/docs/concepts/policy/resource-quotas/).
func unspecified(quotas []corev1.ResourceQuota, w workload) []string {
	var missing []string
	for _, q := range quotas {
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue
		}
		for name := range q.Spec.Hard {
			kind, resource, found := strings.Cut(string(canonical(name)), ".")
			if !found || kind != "requests" && kind != "limits" || resource != "cpu" && resource != "memory" {
				continue
			}
			var named []string // the values
			for _, c := range slices.Concat(w.pod.InitContainers, w.pod.Containers) {
				list := c.Resources.Requests
				if kind == "limits" {
					list = c.Resources.Limits
				}
				if _, set := list[corev1.ResourceName(resource)]; !set && !slices.Contains(named, w.valuesOf(c)) {
					named = append(named, w.valuesOf(c))
					missing = append(missing, fmt.Sprintf("the quota %s limits %s, so that each container must set it, but %s of %s does not: set %s.resources.%s.%s in the values",
						q.Name, name, c.Name, w.name, w.valuesOf(c), kind, resource))
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

func exceededQuotas(quotas []corev1.ResourceQuota, need corev1.ResourceList, surges bool) []string {
	var short []string
	during := ""
	if surges {
		during = " during the rollout"
	}
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
				short = append(short, fmt.Sprintf("the quota %s leaves %s of %s, but %s more is needed%s", q.Name, left.String(), name, needed.String(), during))
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
	for name, q := range podRequests(pod) {
		add("requests."+name, q)
	}
	for name, q := range podResources(pod, func(c corev1.Container) corev1.ResourceList { return c.Resources.Limits }) {
		add("limits."+name, q)
	}
}

// addClaim adds a volume claim that does not exist yet.
func addClaim(need corev1.ResourceList, c corev1.PersistentVolumeClaim) {
	count, size := need[corev1.ResourcePersistentVolumeClaims], need[corev1.ResourceRequestsStorage]
	count.Add(*resource.NewQuantity(1, resource.DecimalSI))
	size.Add(*c.Spec.Resources.Requests.Storage())
	need[corev1.ResourcePersistentVolumeClaims], need[corev1.ResourceRequestsStorage] = count, size
}

// limitRangeViolations compares the containers of a workload with the limit ranges.
func limitRangeViolations(ranges []corev1.LimitRange, w workload) []string {
	var violations []string
	for _, r := range ranges {
		for _, limits := range r.Spec.Limits {
			switch limits.Type {
			case corev1.LimitTypeContainer:
				for _, c := range slices.Concat(w.pod.InitContainers, w.pod.Containers) {
					violations = append(violations, containerViolations(r.Name, limits, w.name, c)...)
				}
			case corev1.LimitTypePersistentVolumeClaim:
				for _, c := range w.claims {
					violations = append(violations, claimViolations(r.Name, limits, w.name, c)...)
				}
			case corev1.LimitTypePod: // left to the API server
			}
		}
	}
	slices.Sort(violations)
	return violations
}

func claimViolations(rangeName string, limits corev1.LimitRangeItem, workload string, c corev1.PersistentVolumeClaim) []string {
	size := c.Spec.Resources.Requests[corev1.ResourceStorage]
	if most, set := limits.Max[corev1.ResourceStorage]; set && size.Cmp(most) > 0 {
		return []string{fmt.Sprintf("the limit range %s allows a volume claim at most %s, but that of %s requests %s", rangeName, most.String(), workload, size.String())}
	}
	if least, set := limits.Min[corev1.ResourceStorage]; set && size.Cmp(least) < 0 {
		return []string{fmt.Sprintf("the limit range %s requires a volume claim of at least %s, but that of %s requests %s", rangeName, least.String(), workload, size.String())}
	}
	return nil
}

func containerViolations(rangeName string, limits corev1.LimitRangeItem, workload string, c corev1.Container) []string {
	var violations []string
	for name, limit := range c.Resources.Limits {
		if request, set := c.Resources.Requests[name]; set && request.Cmp(limit) > 0 {
			violations = append(violations, fmt.Sprintf("%s of %s requests %s of %s, more than its limit of %s, which is the default of the limit range %s",
				c.Name, workload, request.String(), name, limit.String(), rangeName))
		}
	}
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
