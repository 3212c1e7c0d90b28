// Package tus uploads over the tus protocol, version 1.0.0 (https://tus.io):
// an upload that broke off goes on at the byte that the server names.
package tus

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

const version = "1.0.0"

// Client speaks tus with one server.
type Client struct {
	API *client.Client
	// Stall is how long a request may move nothing, usually transfer.Stall.
	Stall time.Duration
}

// Create begins an upload of size bytes and returns its id, which is the job's too.
func (c *Client) Create(ctx context.Context, size int64, metadata map[string]string) (id string, err error) {
	header := http.Header{
		"Upload-Length":   {strconv.FormatInt(size, 10)},
		"Upload-Metadata": {encode(metadata)},
	}
	res, err := c.send(ctx, http.MethodPost, "", header)
	if err != nil {
		return "", err
	}
	location, err := url.Parse(res.header.Get("Location"))
	if err != nil || res.code != http.StatusCreated {
		return "", res.foreign()
	}
	// Only the id is taken: behind a proxy the server may not know its own address.
	if id = path.Base(location.Path); id == "." || id == "/" {
		return "", res.foreign()
	}
	return id, nil
}

// Offset asks how many bytes the server has. It also ends a PATCH that is still
// running, whose connection may be long dead.
func (c *Client) Offset(ctx context.Context, id string) (int64, error) {
	res, err := c.send(ctx, http.MethodHead, id, nil)
	if err != nil {
		return 0, err
	}
	return res.offset()
}

// Patch sends n bytes of src from offset on and returns the offset that the
// server then has. sent is called with the count of bytes given to the network
// so far, never after Patch has returned. A src that fails or ends too early
// gives a *SourceError.
func (c *Client) Patch(ctx context.Context, id string, src io.ReaderAt, offset, n int64, sent func(int64)) (int64, error) {
	ctx, dog := transfer.Watch(ctx, c.Stall)
	defer dog.Stop()
	b := &body{src: io.NewSectionReader(src, offset, n), size: n, moved: func(n int64) {
		dog.Beat()
		sent(n)
	}}
	defer b.detach()
	req, err := c.API.NewRequest(ctx, http.MethodPatch, api.PathUploads+url.PathEscape(id), nil, b)
	if err != nil {
		return 0, err
	}
	req.ContentLength = n
	req.Header.Set("Tus-Resumable", version)
	req.Header.Set("Upload-Offset", strconv.FormatInt(offset, 10))
	req.Header.Set("Content-Type", "application/offset+octet-stream")
	res, err := c.API.Do(req)
	if err != nil {
		if failure := b.failure(); failure != nil {
			return 0, failure
		}
		return 0, transfer.Cause(ctx, err)
	}
	a := read(res)
	if a.code != http.StatusNoContent {
		return 0, a.foreign()
	}
	return a.offset()
}

// send makes a request without a body.
func (c *Client) send(ctx context.Context, method, id string, header http.Header) (*answer, error) {
	ctx, dog := transfer.Watch(ctx, c.Stall)
	defer dog.Stop()
	req, err := c.API.NewRequest(ctx, method, api.PathUploads+url.PathEscape(id), nil, nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Tus-Resumable", version)
	res, err := c.API.Do(req)
	if err != nil {
		return nil, transfer.Cause(ctx, err)
	}
	return read(res), nil
}

// answer is what matters of a response.
type answer struct {
	host   string
	code   int
	status string
	header http.Header
}

func read(res *http.Response) *answer {
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // lets the connection be used again
	_ = res.Body.Close()
	return &answer{host: res.Request.URL.Host, code: res.StatusCode, status: res.Status, header: res.Header}
}

func (a *answer) offset() (int64, error) {
	n, err := strconv.ParseInt(a.header.Get("Upload-Offset"), 10, 64)
	if err != nil || n < 0 {
		return 0, a.foreign()
	}
	return n, nil
}

// foreign is the error for an answer that no tus server gives, such as the
// sign-in page of a hotel's network. That may pass.
func (a *answer) foreign() error {
	return sx.NewError(sx.CodeUnavailable, "%s does not answer like a SoundExtract server (%s)", a.host, a.status).
		WithHint("check the server's address with: sx config; on a public network, sign in to it in a browser first")
}

// encode brings metadata to the form of the Upload-Metadata header.
func encode(metadata map[string]string) string {
	pairs := make([]string, 0, len(metadata))
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		pairs = append(pairs, key+" "+base64.StdEncoding.EncodeToString([]byte(metadata[key])))
	}
	return strings.Join(pairs, ",")
}

// SourceError says that the local file could not be read on.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return fmt.Sprintf("read the file: %v", e.Err) }

// Unwrap gives the file's error; io.ErrUnexpectedEOF when it became shorter.
func (e *SourceError) Unwrap() error { return e.Err }

// body is a request's body that tells what was taken from it. The transport may
// go on reading from it for a moment after it has returned an answer.
type body struct {
	mu    sync.Mutex
	src   *io.SectionReader
	size  int64
	read  int64
	err   error       // of the source
	moved func(int64) // nil once nobody listens
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.moved == nil {
		return 0, io.ErrClosedPipe
	}
	// That there is room for more says that what was read before is on its way.
	b.moved(b.read)
	n, err := b.src.Read(p)
	b.read += int64(n)
	switch {
	case err == io.EOF && b.read < b.size:
		b.err = &SourceError{io.ErrUnexpectedEOF}
	case err != nil && err != io.EOF:
		b.err = &SourceError{err}
	}
	return n, err
}

func (b *body) Close() error { return nil }

func (b *body) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *body) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved = nil
}
