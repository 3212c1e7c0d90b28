package acceptance_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/testkit/stack"
)

// slowness is how long MongoDB hangs.
const slowness = 3 * time.Second

// stopping stops a gateway while MongoDB is slow: the requests that it has got complete.
func stopping(t *testing.T, s *stack.Stack) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	gateway := s.Gateways[0]
	p := register(t, gateway)
	content := append([]byte("\x00\x00\x00\x18ftypisom"), make([]byte, 600_000)...)
	requests := []struct {
		method, path string
		body         []byte
		header       []string
		transport    *http.Transport // with one open connection
	}{
		{method: http.MethodGet, path: api.PathJobs},
		{method: http.MethodGet, path: api.PathMe},
		{method: http.MethodGet, path: api.PathNotify},
		{method: http.MethodPost, path: api.PathLogout, body: []byte(`{"refresh_token":"sxr_unknown"}`), header: []string{"Content-Type", "application/json"}},
		{method: http.MethodPost, path: api.PathUploads, body: content, header: []string{
			"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream", "Upload-Length", "600012",
			"Upload-Metadata", "filename " + base64.StdEncoding.EncodeToString([]byte("talk.mp4")),
		}},
		{method: http.MethodPost, path: api.PathJobs + "?filename=talk.mp4", body: content},
	}
	send := func(ctx context.Context, transport *http.Transport, method, path string, body []byte, header []string) (int, error) {
		req, err := http.NewRequestWithContext(ctx, method, gateway.URL()+path, bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "Bearer "+p.token)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return 0, err
		}
		defer func() { _ = res.Body.Close() }()
		_, err = io.Copy(io.Discard, res.Body)
		return res.StatusCode, err
	}
	for i := range requests {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		requests[i].transport = transport
		if _, err := send(ctx, transport, http.MethodGet, api.PathMe, nil, nil); err != nil {
			t.Fatal(err)
		}
	}

	s.MongoDB.Pause(t)
	slow := time.After(slowness)
	var written, answered sync.WaitGroup
	for _, r := range requests {
		written.Add(1)
		traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { written.Done() }})
		answered.Go(func() {
			if status, err := send(traced, r.transport, r.method, r.path, r.body, r.header); err != nil || status >= http.StatusInternalServerError {
				t.Errorf("%s %s: status %d, error %v", r.method, r.path, status, err)
			}
		})
	}
	written.Wait()
	stopped := make(chan struct{})
	go func() { gateway.Stop(t); close(stopped) }()
	<-slow
	s.MongoDB.Continue(t)
	answered.Wait()
	<-stopped
	gateway.Start(t)
	gateway.WaitReady(t)
}
