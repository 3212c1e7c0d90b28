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
	"github.com/soundextract/sx/server/sx"
)

// Client uploads to one server. It makes single requests and retries nothing.
// An error status comes back as the *sx.Error that the server meant, a server
// that does not answer as a *client.Unreachable, and an answer that no tus
// server gives, such as the sign-in page of a hotel's network, as an *sx.Error
// of code unavailable. Its methods may be called from several goroutines.
type Client struct {
	API *client.Client
}

// Create starts an upload of size bytes and returns its id, which is the job's
// as well.
func (c Client) Create(ctx context.Context, size int64, metadata map[string]string) (id string, err error) {
	header := http.Header{
		HeaderUploadLength:   {strconv.FormatInt(size, 10)},
		HeaderUploadMetadata: {EncodeMetadata(metadata)},
	}
	res, err := c.do(ctx, http.MethodPost, "", header, nil)
	if err != nil {
		return "", err
	}
	location, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusCreated {
		return "", unexpected(res)
	}
	// Only the id is used: behind a proxy the server may not know its own address.
	if id = path.Base(location.Path); id == "." || id == "/" {
		return "", unexpected(res)
	}
	return id, nil
}

// Offset asks how many bytes the server has. It also ends a Send that is still
// running, whose connection may be long dead.
func (c Client) Offset(ctx context.Context, id string) (int64, error) {
	res, err := c.do(ctx, http.MethodHead, id, nil, nil)
	if err != nil {
		return 0, err
	}
	return offsetOf(res)
}

// Send sends n bytes of src, which are those from offset on, in one request and
// returns the offset that the server then has. progress, if not nil, is called
// with the number of bytes handed to the network so far whenever that moves,
// and not after Send has returned; a watchdog can reset its timer there. If src
// fails or ends before n bytes the error is a *SourceError.
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
	if res.StatusCode != http.StatusNoContent {
		return 0, unexpected(res)
	}
	return offsetOf(res)
}

// Terminate removes an upload with what the server has of it.
func (c Client) Terminate(ctx context.Context, id string) error {
	res, err := c.do(ctx, http.MethodDelete, id, nil, nil)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusNoContent {
		return unexpected(res)
	}
	return nil
}

// do sends a request and reads the answer to its end.
func (c Client) do(ctx context.Context, method, id string, header http.Header, b *body) (*http.Response, error) {
	var content io.Reader
	if b != nil {
		content = b
	}
	req, err := c.API.NewRequest(ctx, method, api.PathUploads+url.PathEscape(id), nil, content)
	if err != nil {
		return nil, err
	}
	if b != nil {
		req.ContentLength = b.size
	}
	maps.Copy(req.Header, header)
	req.Header.Set(HeaderResumable, Version)
	res, err := c.API.Do(req)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection can be reused
	_ = res.Body.Close()
	return res, nil
}

// maxAnswer bounds what is read of an answer; tus answers have no body.
const maxAnswer = 64 << 10

func offsetOf(res *http.Response) (int64, error) {
	n, err := strconv.ParseInt(res.Header.Get(HeaderUploadOffset), 10, 64)
	if err != nil || n < 0 {
		return 0, unexpected(res)
	}
	return n, nil
}

func unexpected(res *http.Response) error {
	return sx.NewError(sx.CodeUnavailable, "%s does not answer like a SoundExtract server (%s)", res.Request.URL.Host, res.Status).
		WithHint("check the server's address; on a public network, sign in to it in a browser first")
}

// SourceError says that the source of an upload could not be read.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return fmt.Sprintf("read the source of the upload: %v", e.Err) }

// Unwrap gives the source's error, which is io.ErrUnexpectedEOF if the source
// was too short.
func (e *SourceError) Unwrap() error { return e.Err }

// body is a request body that reports what was read of it. The transport may go
// on reading from it for a moment after it has returned an answer.
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
		b.progress(b.read) // a new read means that the network took what was read before
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
