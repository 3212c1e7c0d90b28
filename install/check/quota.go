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

// quota adds up what will be asked for and compares it with what the namespace's
// quotas leave, and each container with its limit ranges. What the release has
// already counts as free. Quotas with scopes are left to the API server.
func quota(ctx context.Context, env *Env) error {
	objects, err := parse(env.Manifest)
	if err != nil {
		return err
	}
	core := env.Cluster.Client.CoreV1()
	quotas, err := core.ResourceQuotas(env.Cluster.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return denied(err, "list the quotas")
	}
	ranges, err := core.LimitRanges(env.Cluster.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return denied(err, "list the limit ranges")
	}
	if len(quotas.Items)+len(ranges.Items) == 0 {
		return nil
	}
	pods, err := core.Pods(env.Cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + env.Release})
	if err != nil {
		return denied(err, "list the pods")
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
	short := exceededQuotas(quotas.Items, need)
	for _, w := range objects.workloads() {
		short = append(short, limitRangeViolations(ranges.Items, w)...)
	}
	if len(short) > 0 {
		return sx.NewError(sx.CodeInvalid, "%s", strings.Join(short, "; ")).
			WithHint("see kubectl --context %s describe resourcequota,limitrange -n %s, and ask for more or install less with --set", env.Cluster.Context, env.Cluster.Namespace)
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
			wanted, known := need[canonical(name)]
			if !known || wanted.Sign() <= 0 {
				continue
			}
			left := hard.DeepCopy()
			left.Sub(q.Status.Used[name])
			if wanted.Cmp(left) > 0 {
				short = append(short, fmt.Sprintf("the quota %s leaves %s of %s, and %s more is needed", q.Name, left.String(), name, wanted.String()))
			}
		}
	}
	slices.Sort(short)
	return short
}

// canonical gives the long of the names that mean the same in a quota.
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

func limitRangeViolations(ranges []corev1.LimitRange, w workload) []string {
	var out []string
	for _, r := range ranges {
		for _, item := range r.Spec.Limits {
			if item.Type != corev1.LimitTypeContainer {
				continue
			}
			for _, c := range w.pod.Containers {
				for name, most := range item.Max {
					if limit, set := c.Resources.Limits[name]; set && limit.Cmp(most) > 0 {
						out = append(out, fmt.Sprintf("%s limits a container to %s of %s, and %s of %s has %s", r.Name, most.String(), name, c.Name, w.name, limit.String()))
					}
				}
				for name, least := range item.Min {
					if request, set := c.Resources.Requests[name]; set && request.Cmp(least) < 0 {
						out = append(out, fmt.Sprintf("%s wants at least %s of %s for a container, and %s of %s asks for %s", r.Name, least.String(), name, c.Name, w.name, request.String()))
					}
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
