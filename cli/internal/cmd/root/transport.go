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

// newTransport returns a transport for long transfers: it limits the time to connect,
// not the total. For a server inside a cluster it connects to nothing else.
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
		t.Proxy = nil // the kubeconfig names the proxy to the API server
	}
	return userAgent{t}, nil
}

// userAgent adds the header User-Agent to each request.
type userAgent struct{ base http.RoundTripper }

func (u userAgent) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.Header.Set("User-Agent", "sx/"+sx.Version)
	return u.base.RoundTrip(out)
}
