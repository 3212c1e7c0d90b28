package tus

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"sync"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
)

// Client uploads to one server. It makes single requests and retries nothing.
// An error status is returned as the *sx.Error that the server sent, a server
// that does not respond as a *client.Unreachable, and a response that no tus
// server sends, such as the sign-in page of a hotel's network, as an *sx.Error
// of code foreign_response. It is safe for concurrent use.
type Client struct {
	API *client.Client
}

// Create starts an upload of size bytes and returns its ID, which is also the
// job's. The same call with the same idempotency key returns the same upload; with an
// empty key it starts another one.
func (c Client) Create(ctx context.Context, size int64, metadata map[string]string, key string) (id string, err error) {
	header := http.Header{
		HeaderUploadLength:   {strconv.FormatInt(size, 10)},
		HeaderUploadMetadata: {EncodeMetadata(metadata)},
	}
	if key != "" {
		header.Set(api.HeaderIdempotencyKey, key)
	}
	res, err := c.do(ctx, http.MethodPost, "", header, nil)
	if err != nil {
		return "", err
	}
	location, err := url.Parse(res.header.Get("Location"))
	if err != nil || res.status != http.StatusCreated {
		return "", res.unexpected()
	}
	// Only the id is used: behind a proxy the server may not know its own address.
	if id = path.Base(location.Path); !client.IsID(id) {
		return "", res.unexpected()
	}
	return id, nil
}

// Offset returns the number of bytes that the server has stored. It also ends a
// Send that is still running on the server, whose connection may be dead.
func (c Client) Offset(ctx context.Context, id string) (int64, error) {
	res, err := c.do(ctx, http.MethodHead, id, nil, nil)
	if err != nil {
		return 0, err
	}
	return res.offset()
}

// Send sends n bytes of src, which is positioned at offset, in one request and
// returns the server's new offset. progress, if not nil, is called with the number
// of bytes handed to the network so far whenever it increases, and not after Send
// has returned; a watchdog can reset its timer there. If src fails or ends before
// n bytes, the error is a *SourceError.
func (c Client) Send(ctx context.Context, id string, offset int64, src io.Reader, n int64, progress func(sent int64)) (int64, error) {
	b := &body{src: src, size: n, progress: progress}
	defer b.detach()
	res, err := c.do(ctx, http.MethodPatch, id, http.Header{
		HeaderUploadOffset: {strconv.FormatInt(offset, 10)},
		"Content-Type":     {ContentType},
	}, b)
	if failure := b.failure(); err != nil && failure != nil {
		return 0, failure
	}
	if err != nil {
		return 0, err
	}
	if res.status != http.StatusNoContent {
		return 0, res.unexpected()
	}
	return res.offset()
}

// Terminate deletes an upload and its stored bytes.
func (c Client) Terminate(ctx context.Context, id string) error {
	res, err := c.do(ctx, http.MethodDelete, id, nil, nil)
	if err != nil {
		return err
	}
	if res.status != http.StatusNoContent {
		return res.unexpected()
	}
	return nil
}

// response is a response without its body, which the protocol does not use.
type response struct {
	status int
	header http.Header
	host   string
}

// do sends a request and discards the body of the response.
func (c Client) do(ctx context.Context, method, id string, header http.Header, b *body) (response, error) {
	var content io.Reader
	if b != nil {
		content = b
	}
	req, err := c.API.NewRequest(ctx, method, api.PathUploads+url.PathEscape(id), nil, content)
	if err != nil {
		return response{}, err
	}
	if b != nil {
		req.ContentLength = b.size
	}
	maps.Copy(req.Header, header)
	req.Header.Set(HeaderResumable, Version)
	res, err := c.API.Do(req)
	if err != nil {
		return response{}, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody)) // so that the connection can be reused
	_ = res.Body.Close()
	return response{res.StatusCode, res.Header, req.URL.Host}, nil
}

// maxBody limits the bytes read from a response.
const maxBody = 64 << 10

func (r response) offset() (int64, error) {
	n, err := strconv.ParseInt(r.header.Get(HeaderUploadOffset), 10, 64)
	if err != nil || n < 0 {
		return 0, r.unexpected()
	}
	return n, nil
}

func (r response) unexpected() error { return client.Foreign(r.host, r.status) }

// SourceError reports that the source of an upload could not be read.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return fmt.Sprintf("read the source of the upload: %v", e.Err) }

// Unwrap returns the source's error, which is io.ErrUnexpectedEOF if the source
// was too short.
func (e *SourceError) Unwrap() error { return e.Err }

// body is a request body that reports how many bytes were read from it. The transport may
// continue to read from it for a moment after it has returned a response.
type body struct {
	mu       sync.Mutex
	src      io.Reader
	size     int64
	read     int64
	err      error // of the source
	progress func(int64)
	detached bool
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.detached {
		return 0, io.ErrClosedPipe
	}
	if b.progress != nil {
		b.progress(b.read) // a new read means that the previous bytes were sent
	}
	if b.read == b.size {
		return 0, io.EOF
	}
	n, err := b.src.Read(p[:min(int64(len(p)), b.size-b.read)])
	b.read += int64(n)
	switch {
	case err == io.EOF && b.read < b.size:
		b.err = &SourceError{io.ErrUnexpectedEOF}
	case err != nil && err != io.EOF:
		b.err = &SourceError{err}
	}
	return n, err
}

func (b *body) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *body) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.detached = true
}
