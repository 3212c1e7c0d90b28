// Package forward reaches a service of a cluster that nothing outside can reach
// otherwise: over the API server, as kubectl port-forward does, but without a
// port on this machine.
package forward

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// Dialer connects to a service's pods. Every connection has a way of its own
// through the API server: a slow one holds up no other, and when a pod dies, the
// next connection goes to another.
type Dialer struct {
	cluster *kube.Cluster
	service string
}

// To makes a dialer to the first port of a service in the cluster's namespace.
func To(cluster *kube.Cluster, service string) *Dialer {
	return &Dialer{cluster: cluster, service: service}
}

// tries is how many ready pods are tried for one connection.
const tries = 3

// DialContext connects to a ready pod of the service, whatever the address. It
// suits http.Transport. Its errors, and those of the connection that tell why it
// broke, are *sx.Errors: unavailable when another try may help, forbidden when
// the operator may not do this.
func (d *Dialer) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	pods, port, err := d.pods(ctx)
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	for _, pod := range pods[:min(tries, len(pods))] {
		var conn net.Conn
		if conn, err = d.open(ctx, pod.Name, port(pod)); err == nil {
			return conn, nil
		}
		if err = d.explain(err, "open a connection to the pod "+pod.Name); sx.CodeOf(err) == sx.CodeForbidden || ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// pods gives the service's pods that are ready, and the port of each.
func (d *Dialer) pods(ctx context.Context) ([]*corev1.Pod, func(*corev1.Pod) int, error) {
	core, namespace := d.cluster.Client.CoreV1(), d.cluster.Namespace
	service, err := core.Services(namespace).Get(ctx, d.service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil, sx.NewError(sx.CodeUnavailable, "there is no service %s in the namespace %s", d.service, namespace).WithCause(err).
			WithHint("is SoundExtract installed there? see: sx status%s", d.where())
	}
	if err != nil {
		return nil, nil, d.explain(err, "find the service "+d.service)
	}
	list, err := core.Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(service.Spec.Selector).String()})
	if err != nil {
		return nil, nil, d.explain(err, "list the pods of "+d.service)
	}
	var ready []*corev1.Pod
	for i := range list.Items {
		if isReady(&list.Items[i]) {
			ready = append(ready, &list.Items[i])
		}
	}
	if len(ready) == 0 {
		return nil, nil, sx.NewError(sx.CodeUnavailable, "no pod of %s is ready", d.service).
			WithHint("see why with: sx status%s", d.where())
	}
	return ready, func(pod *corev1.Pod) int { return targetPort(service, pod) }, nil
}

func isReady(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// targetPort is the pod's port behind the service's first one, which may be
// given by its name.
func targetPort(service *corev1.Service, pod *corev1.Pod) int {
	if len(service.Spec.Ports) == 0 {
		return 0
	}
	port := service.Spec.Ports[0]
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if port.TargetPort.StrVal != "" && p.Name == port.TargetPort.StrVal {
				return int(p.ContainerPort)
			}
		}
	}
	if n := port.TargetPort.IntValue(); n != 0 {
		return n
	}
	return int(port.Port)
}

func (d *Dialer) where() string {
	var flags string
	if d.cluster.Kubeconfig != "" {
		flags += " --kubeconfig " + d.cluster.Kubeconfig
	}
	if d.cluster.Context != "" {
		flags += " --context " + d.cluster.Context
	}
	return flags + " -n " + d.cluster.Namespace
}

// explain makes an error of the cluster one for the person at the terminal.
func (d *Dialer) explain(err error, what string) error {
	var known *sx.Error
	switch {
	case errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case apierrors.IsForbidden(err):
		return sx.NewError(sx.CodeForbidden, "the cluster does not allow you to %s: %v", what, err).WithCause(err).
			WithHint("ask its administrator for the right to get services, list pods and create pods/portforward in the namespace %s", d.cluster.Namespace)
	case apierrors.IsUnauthorized(err):
		return sx.NewError(sx.CodeForbidden, "the cluster does not know you: %v", err).WithCause(err).
			WithHint("renew the sign-in of your kubeconfig; kubectl get nodes must work")
	}
	return sx.NewError(sx.CodeUnavailable, "could not %s: %v", what, err).WithCause(err).
		WithHint("is the cluster reachable? see: kubectl cluster-info%s", contextFlag(d.cluster.Context))
}

func contextFlag(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" --context %s", name)
}
