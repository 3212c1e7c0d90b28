package forward

import (
	"context"
	"net"

	"github.com/soundextract/sx/install/kube"
)

// ToPod returns a function for http.Transport that connects to a port of a pod, even to
// one that listens only on the loopback address. Its errors are those of
// Dialer.DialContext.
func ToPod(cluster *kube.Cluster, pod string, port int) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &Dialer{cluster: cluster}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := d.open(ctx, pod, port)
		if err != nil {
			return nil, d.wrapError(err, "open a connection to the pod "+pod)
		}
		return c, nil
	}
}
