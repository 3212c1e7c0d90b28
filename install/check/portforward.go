package check

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/soundextract/sx/install/forward"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// portForward makes a port of a running pod of a component available, of a ready one
// if possible. If no pod is running, it returns the error of Skip.
func (env *Env) portForward(ctx context.Context, component string, port int) (string, func(), error) {
	if env.PortForward != nil {
		return env.PortForward(ctx, component, port)
	}
	pod, err := env.runningPod(ctx, component)
	if err != nil {
		return "", nil, err
	}
	return env.forwardThroughAPIServer(ctx, pod, port)
}

// get requests a path of a service's port for monitoring through a port-forward, over TLS
// if it serves that.
// The caller closes the body of the response, and then calls stop.
func (env *Env) get(ctx context.Context, component, path string) (res *http.Response, stop func(), err error) {
	address, end, err := env.portForward(ctx, component, metricsPort)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			end()
		}
	}()
	transport, scheme := &http.Transport{DisableKeepAlives: true}, "http"
	service, err := env.Cluster.Client.CoreV1().Services(env.Cluster.Namespace).Get(ctx, env.Release+"-"+component, metav1.GetOptions{})
	switch {
	case err == nil:
		if transport.TLSClientConfig, err = forward.TLS(ctx, env.Cluster, service); err != nil {
			return nil, nil, env.accessError(err, "read the secrets")
		}
		if transport.TLSClientConfig != nil {
			scheme = "https"
		}
	case !apierrors.IsNotFound(err):
		return nil, nil, env.accessError(err, "read the services")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+path, nil)
	if err != nil {
		return nil, nil, err
	}
	if res, err = (&http.Client{Transport: transport}).Do(req); err != nil {
		return nil, nil, env.noResponse(ctx, component, fmt.Errorf("the %s does not respond: %w", component, err))
	}
	return res, end, nil
}

// gauges gets the metrics of a pod of the component whose names begin with a prefix.
func (env *Env) gauges(ctx context.Context, component, prefix string) (map[string]float64, error) {
	res, stop, err := env.get(ctx, component, api.PathMetrics)
	if err != nil {
		return nil, err
	}
	defer stop()
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, sx.NewError(sx.CodeUnavailable, "the %s responded with %s instead of its metrics", component, res.Status)
	}
	return client.Gauges(res.Body, prefix)
}

// settleTime is how long a pod must have been ready before it is a problem that it does not
// respond.
const settleTime = 30 * time.Second

// noResponse returns err, or the error of Skip if a pod of the component is starting: it is
// no problem yet that it does not respond, and the workloads show it if it becomes one.
func (env *Env) noResponse(ctx context.Context, component string, err error) error {
	pods, listErr := env.pods(ctx, component)
	if listErr != nil {
		return err
	}
	for _, p := range pods {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && (c.Status != corev1.ConditionTrue || time.Since(c.LastTransitionTime.Time) < settleTime) {
				return Skip("", "%s is starting: %v", component, err)
			}
		}
	}
	return err
}

// pods lists the running pods of the component.
func (env *Env) pods(ctx context.Context, component string) ([]corev1.Pod, error) {
	list, err := env.Cluster.Client.CoreV1().Pods(env.Cluster.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/instance=" + env.Release + ",app.kubernetes.io/component=" + component,
	})
	if err != nil {
		return nil, env.accessError(err, "list the pods")
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return p.Status.Phase != corev1.PodRunning || p.DeletionTimestamp != nil
	}), nil
}

func (env *Env) runningPod(ctx context.Context, component string) (string, error) {
	pods, err := env.pods(ctx, component)
	if err != nil {
		return "", err
	}
	running := ""
	for _, p := range pods {
		ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
		if running == "" || ready {
			running = p.Name
		}
	}
	if running == "" {
		return "", Skip("", "no pod of %s is running", component)
	}
	return running, nil
}

// forwardThroughAPIServer listens on a port of the loopback interface until stop is
// called.
func (env *Env) forwardThroughAPIServer(ctx context.Context, pod string, port int) (string, func(), error) {
	transport, upgrader, err := spdy.RoundTripperFor(env.Cluster.Config)
	if err != nil {
		return "", nil, fmt.Errorf("prepare a port-forward: %w", err)
	}
	url := env.Cluster.Client.CoreV1().RESTClient().Post().Namespace(env.Cluster.Namespace).
		Resource("pods").Name(pod).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	end, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, end, ready, io.Discard, io.Discard)
	if err != nil {
		return "", nil, fmt.Errorf("prepare a port-forward: %w", err)
	}
	stop := sync.OnceFunc(func() { close(end) })
	failed := make(chan error, 1)
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-failed:
		return "", nil, fmt.Errorf("reach port %d of the pod %s: %w", port, pod, err)
	case <-ctx.Done():
		stop()
		return "", nil, ctx.Err()
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("reach port %d of the pod %s: %w", port, pod, err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local), stop, nil
}
