package forward

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // client-go has its types in the signatures of its port-forward
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	streaming "k8s.io/streaming/pkg/httpstream"
)

// open connects to a port of a pod.
func (d *Dialer) open(ctx context.Context, pod string, port int) (net.Conn, error) {
	type opened struct {
		conn *conn
		err  error
	}
	result := make(chan opened, 1)
	go func() { // client-go's dialers take no context
		c, err := d.connect(pod, port)
		result <- opened{c, err}
	}()
	select {
	case r := <-result:
		if r.err != nil {
			return nil, r.err
		}
		return r.conn, nil
	case <-ctx.Done():
		go func() {
			if r := <-result; r.err == nil {
				_ = r.conn.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

func (d *Dialer) connect(pod string, port int) (*conn, error) {
	dialer, err := d.dialer(pod)
	if err != nil {
		return nil, err
	}
	tunnel, protocol, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	if protocol != portforward.PortForwardProtocolV1Name {
		_ = tunnel.Close()
		return nil, fmt.Errorf("the API server speaks %q, not %q", protocol, portforward.PortForwardProtocolV1Name)
	}
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	failures, err := tunnel.CreateStream(headers)
	if err != nil {
		_ = tunnel.Close()
		return nil, err
	}
	_ = failures.Close() // nothing is written to the stream
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := tunnel.CreateStream(headers)
	if err != nil {
		_ = tunnel.Close()
		return nil, err
	}
	return newConn(tunnel, data, failures, pod, port), nil
}

// dialer prefers WebSockets, which work through more proxies; API servers before
// Kubernetes 1.31 support only SPDY.
func (d *Dialer) dialer(pod string) (httpstream.Dialer, error) {
	url := d.cluster.Client.CoreV1().RESTClient().Post().Namespace(d.cluster.Namespace).
		Resource("pods").Name(pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(d.cluster.Config)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to the cluster: %w", err)
	}
	old := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	sockets, err := portforward.NewSPDYOverWebsocketDialer(url, d.cluster.Config)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to the cluster: %w", err)
	}
	return portforward.NewFallbackDialer(sockets, old, func(err error) bool {
		return streaming.IsUpgradeFailure(err) || streaming.IsHTTPSProxyError(err) // the errors are of that package
	}), nil
}
