package root

import (
	"crypto/rand"
	"fmt"
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
	return headers{base: t, trace: newTrace()}, nil
}

// headers adds the headers User-Agent and traceparent to each request. All requests of a run
// belong to one trace, which the server's log names.
type headers struct {
	base  http.RoundTripper
	trace [16]byte
}

func newTrace() (id [16]byte) {
	_, _ = rand.Read(id[:]) // never fails (package crypto/rand)
	return id
}

func (h headers) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.Header.Set("User-Agent", "sx/"+sx.Version)
	var span [8]byte
	_, _ = rand.Read(span[:])
	// W3C Trace Context, version 00. The flag says that the server should record the trace;
	// its sampler may decide otherwise.
	out.Header.Set("Traceparent", fmt.Sprintf("00-%x-%x-01", h.trace, span))
	return h.base.RoundTrip(out)
}
