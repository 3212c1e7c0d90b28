// Package forward connects to a service inside a cluster through the API server, as
// kubectl port-forward does, but without opening a local port.
package forward

import (
	"context"
	"crypto/tls"
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

// Dialer connects to the pods of a service. Every connection has its own stream
// through the API server, so that a slow one does not block others, and when a pod
// dies the next connection goes to another pod.
type Dialer struct {
	cluster *kube.Cluster
	release string
	service string
}

// To returns a dialer for the first port of a service of a release in the cluster's
// namespace.
func To(cluster *kube.Cluster, release, service string) *Dialer {
	return &Dialer{cluster: cluster, release: release, service: service}
}

// tries is the maximum number of ready pods tried for one connection.
const tries = 3

// DialContext connects to a ready pod of the service; it ignores the address. It is
// meant for http.Transport. Its errors, and those of the connection, are *sx.Errors:
// unavailable if another attempt may succeed, forbidden for a missing permission.
func (d *Dialer) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	service, pods, err := d.pods(ctx)
	if err != nil {
		return nil, err
	}
	secure, err := TLS(ctx, d.cluster, service)
	if err != nil {
		return nil, d.wrapError(err, "connect to "+d.service)
	}
	rand.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	for _, pod := range pods[:min(tries, len(pods))] {
		var conn net.Conn
		if conn, err = d.open(ctx, pod.Name, targetPort(service, pod)); err == nil {
			return handshake(ctx, conn, secure)
		}
		if err = d.wrapError(err, "open a connection to the pod "+pod.Name); sx.CodeOf(err) == sx.CodeForbidden || ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// handshake starts TLS on a connection, unless the configuration is nil.
func handshake(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	if config == nil {
		return conn, nil
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, sx.NewError(sx.CodeUnavailable, "the gateway's certificate was not accepted: %v", err).WithCause(err).
			WithHint("check the names in the certificate and the authority in its Secret")
	}
	return secure, nil
}

// pods returns the service and its ready pods.
func (d *Dialer) pods(ctx context.Context) (*corev1.Service, []*corev1.Pod, error) {
	core, namespace := d.cluster.Client.CoreV1(), d.cluster.Namespace
	service, err := core.Services(namespace).Get(ctx, d.service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil, sx.NewError(sx.CodeUnavailable, "service %s not found in the namespace %s", d.service, namespace).WithCause(err).
			WithHint("is SoundExtract installed there? see: %s", d.cluster.SX(d.release, "status"))
	}
	if err != nil {
		return nil, nil, d.wrapError(err, "find the service "+d.service)
	}
	list, err := core.Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(service.Spec.Selector).String()})
	if err != nil {
		return nil, nil, d.wrapError(err, "list the pods of "+d.service)
	}
	var ready []*corev1.Pod
	for i := range list.Items {
		if isReady(&list.Items[i]) {
			ready = append(ready, &list.Items[i])
		}
	}
	if len(ready) == 0 {
		return nil, nil, sx.NewError(sx.CodeUnavailable, "no pod of %s is ready", d.service).
			WithHint("see why with: %s", d.cluster.SX(d.release, "status"))
	}
	return service, ready, nil
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

// targetPort is the pod's port behind the first port of the service, which may refer
// to it by name.
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

// wrapError translates an error of the cluster. Any unknown error becomes
// unavailable too, because another attempt, with another pod, may succeed.
func (d *Dialer) wrapError(err error, action string) error {
	err = d.cluster.WrapError(fmt.Errorf("%s: %w", action, err))
	var known *sx.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	return sx.NewError(sx.CodeUnavailable, "%v", err).WithCause(err).
		WithHint("is the cluster reachable? see: %s", d.cluster.Kubectl("cluster-info"))
}
