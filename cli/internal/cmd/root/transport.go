package root

import (
	"net"
	"net/http"
	"time"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/install/forward"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// newTransport suits long transfers: no limit on the whole, but on connecting.
// A server that is reached through its cluster is the only one that it reaches.
func newTransport(c *config.Config) (http.RoundTripper, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	if k := c.Kubernetes; k != (config.Kubernetes{}) {
		cluster, err := kube.Connect(kube.Target{Kubeconfig: k.Kubeconfig, Context: k.Context, Namespace: k.Namespace})
		if err != nil {
			return nil, err
		}
		t.DialContext = forward.To(cluster, k.Release, k.GatewayService()).DialContext
		t.Proxy = nil // one on the way to the API server is the kubeconfig's matter
	}
	return named{t}, nil
}

// named says in each request which program sends it.
type named struct{ base http.RoundTripper }

func (n named) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.Header.Set("User-Agent", "sx/"+sx.Version)
	return n.base.RoundTrip(out)
}
