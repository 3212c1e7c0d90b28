//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// pods returns the running pods of a component, without those that are ending.
func (o *operator) pods(component string) []corev1.Pod {
	o.t.Helper()
	list, err := cluster.Client.CoreV1().Pods(o.namespace).List(o.ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/component=" + component, FieldSelector: "status.phase=Running",
	})
	if err != nil {
		o.t.Fatal(err)
	}
	var running []corev1.Pod
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			running = append(running, p)
		}
	}
	if len(running) == 0 {
		o.t.Fatalf("no pod of %s is running", component)
	}
	return running
}

// exec runs a command in the first container of a pod of a component.
func (o *operator) exec(component string, command ...string) (string, error) {
	o.t.Helper()
	pod := o.pods(component)[0]
	here := *cluster
	here.Namespace = o.namespace
	out, err := here.Exec(o.ctx, pod.Name, pod.Spec.Containers[0].Name, command, "")
	return strings.TrimSpace(out), err
}

// forward forwards a local address to a port of a pod of a component until stop is
// called. In most clusters, the test cannot reach the addresses of pods.
func (o *operator) forward(component string, port int) (address string, stop func()) {
	o.t.Helper()
	transport, upgrader, err := spdy.RoundTripperFor(cluster.Config)
	if err != nil {
		o.t.Fatal(err)
	}
	url := cluster.Client.CoreV1().RESTClient().Post().Namespace(o.namespace).
		Resource("pods").Name(o.pods(component)[0].Name).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	end, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, end, ready, io.Discard, io.Discard)
	if err != nil {
		o.t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-failed:
		o.t.Fatalf("forward port %d of %s: %v", port, component, err)
	case <-o.ctx.Done():
		o.t.Fatal(o.ctx.Err())
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		o.t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local), sync.OnceFunc(func() { close(end) })
}
