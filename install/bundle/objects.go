package bundle

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// kind is a kind of objects that are collected from the cluster.
type kind struct {
	resource schema.GroupVersionResource
	where    scope
}

type scope int

const (
	ofRelease   scope = iota // with the release's label
	ofNamespace              // all of the namespace
	ofCluster
)

func kinds() []kind {
	of := func(where scope, group, version string, resources ...string) []kind {
		var all []kind
		for _, r := range resources {
			all = append(all, kind{schema.GroupVersionResource{Group: group, Version: version, Resource: r}, where})
		}
		return all
	}
	return slices.Concat(
		of(ofRelease, "apps", "v1", "deployments", "statefulsets", "replicasets"),
		of(ofRelease, "", "v1", "pods", "services", "configmaps", "secrets", "serviceaccounts"),
		of(ofRelease, "networking.k8s.io", "v1", "ingresses", "networkpolicies"),
		of(ofRelease, "policy", "v1", "poddisruptionbudgets"),
		of(ofRelease, "autoscaling", "v2", "horizontalpodautoscalers"),
		of(ofRelease, "batch", "v1", "jobs"),
		of(ofRelease, "rbac.authorization.k8s.io", "v1", "roles", "rolebindings"),
		of(ofRelease, "gateway.networking.k8s.io", "v1", "httproutes"),
		of(ofRelease, "keda.sh", "v1alpha1", "scaledobjects"),
		of(ofRelease, "monitoring.coreos.com", "v1", "podmonitors"),
		of(ofNamespace, "", "v1", "persistentvolumeclaims", "resourcequotas", "limitranges"),
		of(ofCluster, "storage.k8s.io", "v1", "storageclasses"),
	)
}

func (c *collection) objects() []task {
	var tasks []task
	for _, k := range kinds() {
		path := "objects/" + k.resource.Resource + ".yaml"
		tasks = append(tasks, task{path, func(ctx context.Context) error { return c.list(ctx, k, path) }})
	}
	return tasks
}

func (c *collection) list(ctx context.Context, k kind, path string) error {
	options := metav1.ListOptions{}
	if k.where == ofRelease {
		options.LabelSelector = "app.kubernetes.io/instance=" + c.Release
	}
	resource := c.Cluster.Dynamic.Resource(k.resource)
	list, err := resource.Namespace(c.Cluster.Namespace).List(ctx, options)
	if k.where == ofCluster {
		list, err = resource.List(ctx, options)
	}
	if apierrors.IsNotFound(err) {
		return nil // the cluster does not have this kind
	}
	if err != nil {
		return err
	}
	var documents []string
	for _, o := range list.Items {
		c.redactor.object(o.Object)
		raw, err := yaml.Marshal(o.Object)
		if err != nil {
			return err
		}
		documents = append(documents, string(raw))
	}
	if len(documents) > 0 {
		c.put(path, c.redactor.text([]byte(strings.Join(documents, "---\n"))), "")
	}
	return nil
}

func (c *collection) version(context.Context) error {
	info, err := c.Cluster.Client.Discovery().ServerVersion()
	if err == nil {
		c.doc("cluster/version.json", info)
	}
	return err
}

// node is a node without its labels and addresses.
type node struct {
	Name        string                 `json:"name"`
	Info        corev1.NodeSystemInfo  `json:"info"`
	Allocatable corev1.ResourceList    `json:"allocatable"`
	Conditions  []corev1.NodeCondition `json:"conditions"`
	Taints      []corev1.Taint         `json:"taints,omitempty"`
}

func (c *collection) nodes(ctx context.Context) error {
	list, err := c.Cluster.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	nodes := []node{}
	for _, n := range list.Items {
		n.Status.NodeInfo.MachineID, n.Status.NodeInfo.SystemUUID, n.Status.NodeInfo.BootID = "", "", ""
		nodes = append(nodes, node{n.Name, n.Status.NodeInfo, n.Status.Allocatable, n.Status.Conditions, n.Spec.Taints})
	}
	c.doc("cluster/nodes.json", nodes)
	return nil
}

// event is an event of Kubernetes.
type event struct {
	Last    time.Time `json:"last"`
	Count   int32     `json:"count,omitempty"`
	Type    string    `json:"type"`
	Object  string    `json:"object"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
}

func (c *collection) events(ctx context.Context) error {
	list, err := c.Cluster.Client.CoreV1().Events(c.Cluster.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	events := []event{}
	for _, e := range list.Items {
		last := e.LastTimestamp.Time
		if last.IsZero() {
			last = e.EventTime.Time
		}
		if e.Series != nil {
			last, e.Count = e.Series.LastObservedTime.Time, e.Series.Count
		}
		message := string(c.redactor.log([]byte(e.Message)))
		events = append(events, event{last.UTC(), e.Count, e.Type, e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name, e.Reason, message})
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.Last.Compare(b.Last) })
	c.doc("events.json", events)
	return nil
}
