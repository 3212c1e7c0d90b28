package httpserver

import (
	"io"
	"net/http"
)

// recorder remembers what is answered. http.ResponseController reaches the
// writer below by Unwrap: flushing, deadlines and hijacking work as without it.
type recorder struct {
	http.ResponseWriter
	status int   // 0 until the answer has begun
	bytes  int64 // of the body
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	// 1xx announce, except 101, which is final.
	if r.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.begin()
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// ReadFrom lets the writer below send a file without copying it through the program.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	r.begin()
	n, err := io.Copy(r.ResponseWriter, src)
	r.bytes += n
	return n, err
}

// FlushError is what http.ResponseController calls; a flush begins the answer.
func (r *recorder) FlushError() error {
	r.begin()
	return http.NewResponseController(r.ResponseWriter).Flush()
}

func (r *recorder) begin() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
}
