package check

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

const (
	uploadSize  = 512 << 10 // of the upload, in bytes
	interruptAt = uploadSize / 2
	// deliveryDelay lets what was sent reach the gateway before the cut.
	deliveryDelay = time.Second
	// offsetTimeout is how long the gateway may take to notice the cut and to free
	// the upload; a proxy may hold the connection that long.
	offsetTimeout  = 15 * time.Second
	offsetInterval = 500 * time.Millisecond
)

// errInterrupted is how the check ends its own upload.
var errInterrupted = errors.New("cut on purpose")

// interruptedUpload sends half of an upload, cuts the connection, and asks what the
// server has: nothing, when something in between keeps a request until it is
// whole. The upload is removed.
func interruptedUpload(ctx context.Context, env *Env) error {
	const signIn = "sign in with sx login, or give a token in SX_TOKEN, and run it again"
	if env.Server == "" {
		return Skip("give the address that users have with --server URL", "no address of the server is known")
	}
	if env.Token == nil {
		return Skip(signIn, "nobody is signed in, so nothing can be uploaded")
	}
	token, err := env.Token(ctx)
	if sx.CodeOf(err) == sx.CodeUnauthenticated || sx.CodeOf(err) == sx.CodeSessionEnded {
		return Skip(signIn, "nobody is signed in, so nothing can be uploaded")
	}
	if err != nil {
		return err
	}
	c, err := client.New(env.Server, env.http())
	if err != nil {
		return err
	}
	u := &upload{client: c, token: token}
	if err := u.create(ctx); err != nil {
		return err
	}
	defer u.remove(ctx)
	if err := u.sendHalf(ctx); err != nil {
		return err
	}
	kept, err := u.kept(ctx)
	if err != nil {
		return err
	}
	if kept == 0 {
		return sx.NewError(sx.CodeUnavailable, "of an upload that was cut after %d bytes the server has none: a proxy in between keeps requests until they are whole", interruptAt)
	}
	return nil
}

type upload struct {
	client *client.Client
	token  string
	path   string
}

func (u *upload) do(ctx context.Context, method, path string, body io.Reader, header map[string]string) (http.Header, error) {
	req, err := u.client.NewRequest(ctx, method, path, nil, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+u.token)
	req.Header.Set("Tus-Resumable", "1.0.0")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	if body != nil {
		req.ContentLength = uploadSize
	}
	res, err := u.client.Do(req)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return res.Header, res.Body.Close()
}

func (u *upload) create(ctx context.Context) error {
	header, err := u.do(ctx, http.MethodPost, api.PathUploads, nil, map[string]string{
		"Upload-Length":   strconv.Itoa(uploadSize),
		"Upload-Metadata": api.MetaFilename + " " + base64.StdEncoding.EncodeToString([]byte("sx-doctor.mp4")),
	})
	if err != nil {
		return err
	}
	u.path = header.Get("Location")
	if i := len(u.path) - len(api.PathUploads); i < 0 {
		return sx.NewError(sx.CodeUnavailable, "the server began an upload and did not say where")
	}
	// A proxy may have made the place absolute; the id is its last part.
	for i := len(u.path) - 1; i >= 0; i-- {
		if u.path[i] == '/' {
			u.path = api.PathUploads + u.path[i+1:]
			break
		}
	}
	return nil
}

func (u *upload) sendHalf(ctx context.Context) error {
	_, err := u.do(ctx, http.MethodPatch, u.path, &half{wait: func() { pause(ctx, deliveryDelay) }}, map[string]string{
		"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream",
	})
	var away *client.Unreachable
	if err == nil || errors.Is(err, errInterrupted) || errors.As(err, &away) {
		return ctx.Err()
	}
	return err
}

// kept asks for the offset until there is one, or long enough.
func (u *upload) kept(ctx context.Context) (int, error) {
	end := time.Now().Add(offsetTimeout)
	for {
		header, err := u.do(ctx, http.MethodHead, u.path, nil, nil)
		kept := 0
		if err == nil {
			kept, err = strconv.Atoi(header.Get("Upload-Offset"))
		}
		if err == nil && kept > 0 || time.Now().After(end) || ctx.Err() != nil {
			return kept, err
		}
		pause(ctx, offsetInterval)
	}
}

func (u *upload) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shortTimeout)
	defer cancel()
	_, _ = u.do(ctx, http.MethodDelete, u.path, nil, nil) // it expires by itself otherwise
}

// half is a body that breaks off in its middle.
type half struct {
	sent int
	wait func()
}

// head is how an MP4 begins; the gateway refuses what is no video at once.
const head = "\x00\x00\x00\x18ftypisom"

func (h *half) Read(p []byte) (int, error) {
	if h.sent >= interruptAt {
		h.wait()
		return 0, errInterrupted
	}
	p = p[:min(len(p), interruptAt-h.sent)]
	clear(p)
	if h.sent < len(head) {
		copy(p, head[h.sent:])
	}
	h.sent += len(p)
	return len(p), nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
