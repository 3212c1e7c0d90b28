package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
)

// node is a node with its free resources.
type node struct {
	corev1.Node
	cpu, memory resource.Quantity
	pods        int64
}

// capacity checks that the nodes have room for all pods of the release, and for those
// that a rollout starts before it stops old ones. It places the largest first, each on the
// first node that has room, by requests, node selectors and taints; affinities and volumes
// that belong to a zone are left to the scheduler.
func capacity(ctx context.Context, env *Env) error {
	objects, err := env.objects()
	if err != nil {
		return err
	}
	nodes, err := env.freeNodes(ctx)
	if err != nil {
		return err
	}
	surge, err := env.surge(ctx, objects)
	if err != nil {
		return err
	}
	var pods []workload // each stands for one pod
	for _, w := range objects.workloads() {
		for range w.replicas + surge[w.name] {
			pods = append(pods, w)
		}
	}
	slices.SortStableFunc(pods, func(a, b workload) int {
		x, y := podRequests(a.pod), podRequests(b.pod)
		return -cmp.Or(x.Cpu().Cmp(*y.Cpu()), x.Memory().Cmp(*y.Memory()))
	})
	var homeless []string
	counts := map[string]int{}
	for _, p := range pods {
		if !place(nodes, p.pod) {
			if counts[p.name]++; counts[p.name] == 1 {
				homeless = append(homeless, p.name)
			}
		}
	}
	if len(homeless) == 0 {
		return nil
	}
	for i, name := range homeless {
		j := slices.IndexFunc(pods, func(w workload) bool { return w.name == name })
		need := podRequests(pods[j].pod)
		homeless[i] = fmt.Sprintf("%d of %s (%s CPU and %s of memory each)", counts[name], name, need.Cpu(), need.Memory())
	}
	return sx.NewError(sx.CodeUnavailable, "no node has room for %s; the freest has %s", strings.Join(homeless, ", "), freest(nodes))
}

// freeNodes returns the nodes on which pods can start, with the resources that pods
// outside the release leave free.
func (env *Env) freeNodes(ctx context.Context) ([]*node, error) {
	list, err := env.Cluster.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, env.accessError(err, "list the nodes")
	}
	pods, err := env.Cluster.Client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, env.accessError(err, "list the pods of all namespaces")
	}
	var nodes []*node
	for _, n := range list.Items {
		if n.Spec.Unschedulable {
			continue
		}
		free := &node{Node: n, cpu: n.Status.Allocatable.Cpu().DeepCopy(), memory: n.Status.Allocatable.Memory().DeepCopy(), pods: n.Status.Allocatable.Pods().Value()}
		for _, p := range pods.Items {
			ended := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
			own := p.Namespace == env.Cluster.Namespace && p.Labels["app.kubernetes.io/instance"] == env.Release
			if p.Spec.NodeName == n.Name && !ended && !own {
				free.take(podRequests(p.Spec))
			}
		}
		nodes = append(nodes, free)
	}
	if len(nodes) == 0 {
		return nil, sx.NewError(sx.CodeUnavailable, "the cluster has no node on which pods can start").
			WithHint("see: %s", env.Cluster.Kubectl("get", "nodes"))
	}
	return nodes, nil
}

func (n *node) take(need corev1.ResourceList) {
	n.cpu.Sub(*need.Cpu())
	n.memory.Sub(*need.Memory())
	n.pods--
}

// place puts a pod on the first node that has room for it.
func place(nodes []*node, pod corev1.PodSpec) bool {
	need := podRequests(pod)
	for _, n := range nodes {
		if n.pods > 0 && n.cpu.Cmp(*need.Cpu()) >= 0 && n.memory.Cmp(*need.Memory()) >= 0 && accepts(n.Node, pod) {
			n.take(need)
			return true
		}
	}
	return false
}

// accepts reports whether the node's labels and taints allow the pod.
func accepts(n corev1.Node, pod corev1.PodSpec) bool {
	for key, value := range pod.NodeSelector {
		if n.Labels[key] != value {
			return false
		}
	}
	for _, taint := range n.Spec.Taints {
		if taint.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		if !slices.ContainsFunc(pod.Tolerations, func(t corev1.Toleration) bool { return tolerates(t, taint) }) {
			return false
		}
	}
	return true
}

// tolerates is the scheduler's rule
// (https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/).
func tolerates(t corev1.Toleration, taint corev1.Taint) bool {
	if t.Effect != "" && t.Effect != taint.Effect || t.Key != "" && t.Key != taint.Key {
		return false
	}
	if t.Operator == corev1.TolerationOpExists {
		return true
	}
	return t.Key != "" && t.Value == taint.Value
}

func freest(nodes []*node) string {
	best := slices.MaxFunc(nodes, func(a, b *node) int { return cmp.Or(a.cpu.Cmp(b.cpu), a.memory.Cmp(b.memory)) })
	return fmt.Sprintf("%s CPU and %s of memory left, and room for %d pods", best.cpu.String(), best.memory.String(), best.pods)
}

// podRequests returns the requests of a pod: the sum of its containers', or more if an
// init container requests more.
func podRequests(pod corev1.PodSpec) corev1.ResourceList {
	return podResources(pod, func(c corev1.Container) corev1.ResourceList { return c.Resources.Requests })
}

func podResources(pod corev1.PodSpec, of func(corev1.Container) corev1.ResourceList) corev1.ResourceList {
	sum := corev1.ResourceList{}
	for _, c := range pod.Containers {
		for name, q := range of(c) {
			total := sum[name]
			total.Add(q)
			sum[name] = total
		}
	}
	for _, c := range pod.InitContainers {
		for name, q := range of(c) {
			if total := sum[name]; q.Cmp(total) > 0 {
				sum[name] = q
			}
		}
	}
	return sum
}
