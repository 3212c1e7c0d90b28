package tusserver_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/tusserver"
	"github.com/soundextract/sx/server/sx"
)

// memory is a Store in memory for one user.
type memory struct {
	expires time.Time
	pause   time.Duration // after the first byte of a body

	mu      sync.Mutex
	uploads map[string]tusserver.Upload
	content map[string][]byte
}

func newMemory() *memory {
	return &memory{
		expires: time.Now().Add(time.Hour),
		uploads: map[string]tusserver.Upload{}, content: map[string][]byte{},
	}
}

func (m *memory) Create(_ context.Context, size int64, metadata map[string]string) (tusserver.Upload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := tusserver.Upload{ID: sx.NewID(), Size: size, Metadata: metadata, Expires: m.expires}
	m.uploads[u.ID] = u
	return u, nil
}

func (m *memory) Get(_ context.Context, id string) (tusserver.Upload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.uploads[id]
	if !ok {
		return u, sx.NewError(sx.CodeNotFound, "upload %s not found", id)
	}
	return u, nil
}

func (m *memory) Append(ctx context.Context, u tusserver.Upload, body *tusserver.Body) (tusserver.Upload, error) {
	raw := make([]byte, 1)
	n, _ := io.ReadFull(body, raw) // an error only ends the body
	_ = backoff.Sleep(ctx, m.pause)
	rest, _ := io.ReadAll(body)
	raw = append(raw[:n], rest...)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.content[u.ID] = append(m.content[u.ID], raw...)
	if u.Offset += int64(len(raw)); u.Offset == u.Size {
		u.Expires = time.Time{}
	}
	m.uploads[u.ID] = u
	return u, nil
}

func (m *memory) Terminate(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.uploads, id)
	return nil
}

const path = "/files/"

// handler serves the uploads of m below path.
func handler(m *memory, locks *tusserver.Locks) http.Handler {
	h := &tusserver.Handler{Store: m, Locks: locks, Path: path, MaxSize: 1000}
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"OPTIONS " + path + "{$}": h.Describe, "POST " + path + "{$}": h.Create,
		"HEAD " + path + "{id}": h.Head, "PATCH " + path + "{id}": h.Patch, "DELETE " + path + "{id}": h.Delete,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r); err != nil {
				api.WriteError(w, err)
			}
		})
	}
	return mux
}

// request is one request with the response that the protocol requires.
type request struct {
	method string
	path   string // "" for the upload that was created last
	header http.Header
	body   io.Reader

	status int
	want   http.Header // an empty value is a header that must be missing
}

// header returns a header of pairs of keys and values.
func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// patch returns the header of a PATCH request.
func patch(offset string) http.Header {
	return header("Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream", "Upload-Offset", offset)
}

// chunked hides the length of a body, which is then sent in chunks.
func chunked(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

// TestProtocol follows the text of the protocol
// (https://tus.io/protocols/resumable-upload).
func TestProtocol(t *testing.T) {
	t.Parallel()
	m := newMemory()
	server := httptest.NewServer(handler(m, tusserver.NewLocks()))
	t.Cleanup(server.Close)
	version := header("Tus-Resumable", "1.0.0")
	name := "filename " + base64.StdEncoding.EncodeToString([]byte("talk.mp4"))
	expires := m.expires.UTC().Format(http.TimeFormat)
	create := header("Tus-Resumable", "1.0.0", "Upload-Length", "10", "Upload-Metadata", name+",empty")
	createWith := create.Clone()
	createWith.Set("Content-Type", "application/offset+octet-stream")
	latest := ""
	for i, step := range []request{
		{"OPTIONS", path, nil, nil, 204, header("Tus-Version", "1.0.0", "Tus-Max-Size", "1000",
			"Tus-Extension", "creation,creation-with-upload,expiration,termination")},

		{"POST", path, create, nil, 201, header("Tus-Resumable", "1.0.0", "Upload-Expires", expires)},
		{"HEAD", "", version, nil, 200, header("Tus-Resumable", "1.0.0", "Upload-Offset", "0", "Upload-Length", "10",
			"Upload-Metadata", "empty ,"+name, "Upload-Expires", expires, "Cache-Control", "no-store")},
		{"PATCH", "", patch("0"), strings.NewReader("01234"), 204, header("Tus-Resumable", "1.0.0", "Upload-Offset", "5", "Upload-Expires", expires)},
		{"PATCH", "", patch("5"), strings.NewReader(""), 204, header("Upload-Offset", "5")},
		{"PATCH", "", patch("4"), strings.NewReader("4"), 409, header("Tus-Resumable", "1.0.0", "Upload-Offset", "")},
		{"PATCH", "", patch("11"), strings.NewReader("4"), 409, nil},
		{"PATCH", "", patch("-1"), strings.NewReader("4"), 400, nil},
		{"PATCH", "", patch("5"), strings.NewReader("567890"), 413, header("Tus-Resumable", "1.0.0")},
		{"HEAD", "", version, nil, 200, header("Upload-Offset", "5")},
		{"PATCH", "", patch("5"), chunked("567890"), 413, nil}, // the bytes that fit are stored
		{"HEAD", "", version, nil, 200, header("Upload-Offset", "10", "Upload-Expires", "")},
		{"PATCH", "", patch("10"), strings.NewReader(""), 204, header("Upload-Offset", "10")},

		{"POST", path, createWith, strings.NewReader("0123"), 201, header("Upload-Offset", "4", "Upload-Expires", expires)},
		{"PATCH", "", patch("4"), chunked("456"), 204, header("Upload-Offset", "7")},
		{"PATCH", "", patch("7"), chunked("789"), 204, header("Upload-Offset", "10", "Upload-Expires", "")},
		{"DELETE", "", version, nil, 204, header("Tus-Resumable", "1.0.0")},
		{"HEAD", "", version, nil, 404, header("Tus-Resumable", "1.0.0")},
		{"PATCH", "", patch("0"), nil, 404, header("Tus-Resumable", "1.0.0")},
		{"DELETE", "", version, nil, 404, header("Tus-Resumable", "1.0.0")},

		{"POST", path, create, nil, 201, nil},
		{"POST", path, header("Tus-Resumable", "0.2.2", "Upload-Length", "10"), nil, 412, header("Tus-Version", "1.0.0", "Location", "")},
		{"PATCH", "", header("Content-Type", "application/offset+octet-stream", "Upload-Offset", "0"), nil, 412, header("Tus-Version", "1.0.0")},
		{"DELETE", "", nil, nil, 412, header("Tus-Version", "1.0.0")},
		{"POST", path, header("Tus-Resumable", "1.0.0", "Upload-Length", "1001"), nil, 413, nil},
		{"POST", path, header("Tus-Resumable", "1.0.0", "Upload-Defer-Length", "1"), nil, 400, nil},
		{"POST", path, header("Tus-Resumable", "1.0.0", "Upload-Length", "1", "Upload-Metadata", "a b c"), nil, 400, nil},
	} {
		target := server.URL + step.path
		if step.path == "" {
			target = server.URL + latest
		}
		req, err := http.NewRequestWithContext(t.Context(), step.method, target, step.body)
		if err != nil {
			t.Fatal(err)
		}
		if step.header != nil {
			req.Header = step.header
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != step.status {
			t.Fatalf("step %d: %s returns %s %s, want %d", i, step.method, res.Status, body, step.status)
		}
		for key := range step.want {
			if got := res.Header.Get(key); got != step.want.Get(key) {
				t.Errorf("step %d: %s returns %s %q, want %q", i, step.method, key, got, step.want.Get(key))
			}
		}
		if location := res.Header.Get("Location"); location != "" {
			latest = location
		}
	}
	for id, content := range m.content {
		if string(content) != "0123456789" {
			t.Errorf("upload %s has %q", id, content)
		}
	}
}

// connect serves one connection with h and returns the client's end.
func connect(t *testing.T, h http.Handler) net.Conn {
	t.Helper()
	client, conn := net.Pipe()
	listener := &oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	listener.conn <- conn
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	return client
}

// oneConn is a listener that accepts one connection.
type oneConn struct {
	conn   chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// send writes the head of a PATCH request that announces 10 bytes, and body.
func send(t *testing.T, conn net.Conn, id, body string) {
	t.Helper()
	sendSized(t, conn, id, 10, body)
}

// sendSized is send for a request that announces size bytes.
func sendSized(t *testing.T, conn net.Conn, id string, size int, body string) {
	t.Helper()
	var head bytes.Buffer
	head.WriteString("PATCH " + path + id + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(size) + "\r\n")
	_ = patch("0").Write(&head)
	if _, err := io.WriteString(conn, head.String()+"\r\n"+body); err != nil {
		t.Error(err)
	}
}

func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

func TestStalledRequestKeepsItsBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		u, _ := m.Create(t.Context(), 10, nil)
		conn := connect(t, handler(m, tusserver.NewLocks()))
		start := time.Now()
		send(t, conn, u.ID, "01234")
		if err := backoff.Sleep(t.Context(), 50*time.Second); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "5"); err != nil { // one byte is no progress
			t.Fatal(err)
		}
		if got := status(t, conn); got != sx.CodeOffsetConflict.Status() {
			t.Errorf("status %d", got)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %s", took)
		}
		if got, _ := m.Get(t.Context(), u.ID); got.Offset != 6 {
			t.Errorf("offset %d", got.Offset)
		}
	})
}

// TestSlowUploadsTakeAsLongAsTheyTake checks that a request that makes progress is not
// ended, however long it takes in total, and that the time the server takes to store
// bytes does not count.
func TestSlowUploadsTakeAsLongAsTheyTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const piece, pieces = 16 << 10, 200
		m := newMemory()
		u, _ := m.Create(t.Context(), piece*pieces, nil)
		m.pause = 2 * time.Minute
		conn := connect(t, handler(m, tusserver.NewLocks()))
		start := time.Now()
		go func() {
			sendSized(t, conn, u.ID, piece*pieces, "")
			for range pieces {
				if backoff.Sleep(t.Context(), 50*time.Second) != nil {
					return
				}
				if _, err := io.WriteString(conn, strings.Repeat("a", piece)); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		if got := status(t, conn); got != http.StatusNoContent {
			t.Errorf("status %d after %v", got, time.Since(start))
		}
	})
}

func TestHeadEndsAStalledRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, locks := newMemory(), tusserver.NewLocks()
		u, _ := m.Create(t.Context(), 10, nil)
		older, newer := connect(t, handler(m, locks)), connect(t, handler(m, locks))
		send(t, older, u.ID, "01234")
		synctest.Wait()
		start := time.Now()
		go func() {
			_, _ = io.WriteString(newer, "HEAD "+path+u.ID+" HTTP/1.1\r\nHost: x\r\n"+tus.HeaderResumable+": 1.0.0\r\n\r\n")
		}()
		if got := status(t, older); got != sx.CodeOffsetConflict.Status() {
			t.Errorf("the older request has status %d", got)
		}
		res, err := http.ReadResponse(bufio.NewReader(newer), &http.Request{Method: http.MethodHead})
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusOK || res.Header.Get(tus.HeaderUploadOffset) != "5" || time.Since(start) != 0 {
			t.Errorf("HEAD has %s with %v after %s", res.Status, res.Header, time.Since(start))
		}
	})
}
