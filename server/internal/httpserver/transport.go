package httpserver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// HandlerTransport is a RoundTripper that calls h in this process instead of a
// server, so that services talk the same way whether they share a process or
// not. The answer is buffered whole, so it is not for streams. When a request's
// ctx ends, RoundTrip returns its error at once and h goes on alone until it
// notices. A panic of h comes back as an error.
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
	// What arrives at a server is another request than what was sent.
	in := req.Clone(req.Context())
	in.Body = body
	in.RequestURI = in.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	if in.Host == "" {
		in.Host = in.URL.Host
	}
	type result struct {
		answer *buffer
		err    error
	}
	done := make(chan result, 1)
	go func() {
		// A RoundTripper closes the body, also when it fails.
		defer func() { _ = body.Close() }()
		defer func() {
			if cause := recover(); cause != nil {
				done <- result{err: fmt.Errorf("handler of %s panicked: %v", in.URL.Path, cause)}
			}
		}()
		answer := newBuffer()
		t.handler.ServeHTTP(answer, in)
		answer.WriteHeader(http.StatusOK) // unless it has set another
		done <- result{answer: answer}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, r.err
		}
		return r.answer.response(req), nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// response is the answer as a client sees it.
func (b *buffer) response(req *http.Request) *http.Response {
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
