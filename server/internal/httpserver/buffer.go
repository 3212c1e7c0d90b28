package httpserver

import (
	"bytes"
	"net/http"
)

// buffer is an http.ResponseWriter that keeps the answer in memory.
type buffer struct {
	header http.Header
	sent   http.Header // as they were when the answer began
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
