package acceptance_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/stack"
)

// hangLimit is more than the time that an operation on MongoDB may take.
const hangLimit = 20 * time.Second

// hanging stops MongoDB as SIGSTOP does: its connections stay open, and it does not
// respond.
func hanging(t *testing.T, s *stack.Stack) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	gateway := s.Gateways[0]
	p := register(t, gateway)
	content := append([]byte("\x00\x00\x00\x18ftypisom"), make([]byte, 600_000)...)
	tus := []string{"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream"}
	create := slices.Concat(tus, []string{
		"Upload-Length", strconv.Itoa(len(content)),
		"Upload-Metadata", "filename " + base64.StdEncoding.EncodeToString([]byte("talk.mp4")),
	})
	h, _ := p.do(ctx, http.MethodPost, gateway.URL()+api.PathUploads, nil, http.StatusCreated, create...)
	path := api.PathUploads + h.Get("Location")[strings.LastIndex(h.Get("Location"), "/")+1:]
	p.do(ctx, http.MethodPatch, gateway.URL()+path, bytes.NewReader(content[:300_000]), http.StatusNoContent, slices.Concat(tus, []string{"Upload-Offset", "0"})...)
	before := goroutines(t, gateway)

	s.MongoDB.Pause(t)
	paused := true
	defer func() {
		if paused {
			s.MongoDB.Continue(t)
		}
	}()
	status(t, gateway, api.PathReady, http.StatusOK, `"status":"ok"`)
	var requests sync.WaitGroup
	for range 3 {
		for _, r := range []struct {
			method, path string
			body         []byte
			header       []string
		}{
			{http.MethodGet, api.PathJobs, nil, nil},
			{http.MethodPost, api.PathUploads, nil, create},
			{http.MethodPatch, path, content[300_000:], slices.Concat(tus, []string{"Upload-Offset", "300000"})},
			{http.MethodPost, api.PathLogin, []byte(`{"name":"ada","password":"correct horse battery"}`), []string{"Content-Type", "application/json"}},
		} {
			requests.Go(func() { p.refused(ctx, r.method, gateway.URL()+r.path, r.body, r.header) })
		}
	}
	requests.Wait()
	status(t, gateway, api.PathReady, http.StatusOK, `"degraded":"`)

	s.MongoDB.Continue(t)
	paused = false
	until(t, func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, gateway.URL()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+p.token)
		req.Header.Set("Tus-Resumable", "1.0.0")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, "the gateway answers again")
	h, _ = p.do(ctx, http.MethodHead, gateway.URL()+path, nil, http.StatusOK, tus...)
	offset, err := strconv.Atoi(h.Get("Upload-Offset"))
	if err != nil || offset < 300_000 {
		t.Fatalf("the upload is at %q", h.Get("Upload-Offset"))
	}
	p.do(ctx, http.MethodPatch, gateway.URL()+path, bytes.NewReader(content[offset:]), http.StatusNoContent, slices.Concat(tus, []string{"Upload-Offset", strconv.Itoa(offset)})...)
	until(t, func(context.Context) bool { return goroutines(t, gateway) <= before+10 }, "the goroutines of the refused requests end")
}

// refused sends a request to which the response must be unavailable with Retry-After, in
// time.
func (p *account) refused(ctx context.Context, method, url string, body []byte, header []string) {
	ctx, cancel := context.WithTimeout(ctx, hangLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Errorf("%s %s: %v", method, url, err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	var answer api.ErrorBody
	wait, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || json.Unmarshal(raw, &answer) != nil || res.StatusCode != http.StatusServiceUnavailable ||
		answer.Error.Code != sx.CodeUnavailable || wait < 1 {
		p.t.Errorf("%s %s: %s, Retry-After %q, %v\n%s", method, url, res.Status, res.Header.Get("Retry-After"), err, raw)
	}
}

var goroutinesMetric = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)

// goroutines returns how many goroutines a program has.
func goroutines(t *testing.T, p *stack.Process) (n int) {
	t.Helper()
	res, err := http.Get(p.URL() + api.PathMetrics)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := goroutinesMetric.FindSubmatch(raw)
	if m == nil {
		t.Fatalf("no metric in %q", raw)
	}
	_, _ = fmt.Sscan(string(m[1]), &n)
	return n
}
