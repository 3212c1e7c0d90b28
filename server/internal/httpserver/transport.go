package httpserver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// HandlerTransport returns an http.RoundTripper that calls h in this process, so that
// services call each other in the same way whether they share a process or not. It
// buffers the whole response, so it cannot be used for streams. When a request's ctx
// ends, RoundTrip returns its error immediately, although h may still be
// running. A panic of h is returned as an error.
func HandlerTransport(h http.Handler) http.RoundTripper { return handlerTransport{h} }

type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	body := req.Body
	if body == nil {
		body = http.NoBody
	}
	if err := req.Context().Err(); err != nil {
		_ = body.Close()
		return nil, err
	}
	// A server-side request differs from the client-side one.
	in := req.Clone(req.Context())
	in.Body = body
	in.RequestURI = in.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	if in.Host == "" {
		in.Host = in.URL.Host
	}
	type result struct {
		response *buffer
		err      error
	}
	done := make(chan result, 1)
	go func() {
		// A RoundTripper must close the body, including on errors.
		defer func() { _ = body.Close() }()
		defer func() {
			if cause := recover(); cause != nil {
				done <- result{err: fmt.Errorf("handler of %s panicked: %v", in.URL.Path, cause)}
			}
		}()
		response := newBuffer()
		t.handler.ServeHTTP(response, in)
		response.WriteHeader(http.StatusOK) // no-op if h has set another
		done <- result{response: response}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, r.err
		}
		return r.response.toResponse(req), nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// toResponse returns the response for the client.
func (b *buffer) toResponse(req *http.Request) *http.Response {
	res := &http.Response{
		Status:     strconv.Itoa(b.status) + " " + http.StatusText(b.status),
		StatusCode: b.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: b.sent, Body: http.NoBody, Request: req,
	}
	if req.Method != http.MethodHead && b.body.Len() > 0 {
		res.Body = io.NopCloser(bytes.NewReader(b.body.Bytes()))
		res.ContentLength = int64(b.body.Len())
	}
	return res
}

// buffer is an http.ResponseWriter that keeps the response in memory.
type buffer struct {
	header http.Header
	sent   http.Header // the header when the response was started
	status int
	body   bytes.Buffer
}

func newBuffer() *buffer { return &buffer{header: http.Header{}} }

func (b *buffer) Header() http.Header { return b.header }

func (b *buffer) WriteHeader(status int) {
	if b.status == 0 && status >= http.StatusOK {
		b.status, b.sent = status, b.header.Clone()
	}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}
