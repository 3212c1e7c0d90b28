package check

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

const (
	uploadSize  = 512 << 10 // of the upload, in bytes
	interruptAt = uploadSize / 2
	// deliveryDelay lets what was sent reach the gateway before the connection breaks.
	deliveryDelay = time.Second
	// offsetTimeout is how long the gateway may take to notice the broken
	// connection and to unlock the upload; a proxy may hold the connection.
	offsetTimeout  = 15 * time.Second
	offsetInterval = 500 * time.Millisecond
)

// errInterrupted is how the check ends its own upload.
var errInterrupted = errors.New("interrupted on purpose")

// interruptedUpload sends half of an upload, breaks the connection, and asks what
// the server has: nothing, if a proxy buffers whole requests. The upload is
// removed.
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
	signedIn := *env.http()
	signedIn.Transport = client.Bearer{Token: token, Base: signedIn.Transport}
	c, err := client.New(env.Server, &signedIn)
	if err != nil {
		return err
	}
	u := &upload{tus: tus.Client{API: c}}
	if u.id, err = u.tus.Create(ctx, uploadSize, map[string]string{api.MetaFilename: "sx-doctor.mp4"}); err != nil {
		return err
	}
	defer u.remove(ctx)
	if err := u.sendHalf(ctx); err != nil {
		return err
	}
	stored, err := u.stored(ctx)
	if err != nil {
		return err
	}
	if stored == 0 {
		return sx.NewError(sx.CodeUnavailable, "the server stored nothing of an upload that was interrupted after %d bytes: a proxy buffers whole requests", interruptAt)
	}
	return nil
}

type upload struct {
	tus tus.Client
	id  string
}

// sendHalf sends the first half of a request body and then breaks the connection.
func (u *upload) sendHalf(ctx context.Context) error {
	body := &interruptedBody{wait: func() { _ = backoff.Sleep(ctx, deliveryDelay) }}
	_, err := u.tus.Send(ctx, u.id, 0, body, uploadSize, nil)
	var unreachable *client.Unreachable
	if err == nil || errors.Is(err, errInterrupted) || errors.As(err, &unreachable) {
		return ctx.Err()
	}
	return err
}

// stored asks for the offset until there is one, or until offsetTimeout.
func (u *upload) stored(ctx context.Context) (int64, error) {
	end := time.Now().Add(offsetTimeout)
	for {
		offset, err := u.tus.Offset(ctx, u.id)
		if err == nil && offset > 0 || time.Now().After(end) || ctx.Err() != nil {
			return offset, err
		}
		_ = backoff.Sleep(ctx, offsetInterval)
	}
}

func (u *upload) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shortTimeout)
	defer cancel()
	_ = u.tus.Terminate(ctx, u.id) // otherwise it expires
}

// interruptedBody fails in its middle.
type interruptedBody struct {
	sent int
	wait func()
}

// head is the start of an MP4: the gateway refuses at once what is not media.
const head = "\x00\x00\x00\x18ftypisom"

func (b *interruptedBody) Read(p []byte) (int, error) {
	if b.sent >= interruptAt {
		b.wait()
		return 0, errInterrupted
	}
	p = p[:min(len(p), interruptAt-b.sent)]
	clear(p)
	if b.sent < len(head) {
		copy(p, head[b.sent:])
	}
	b.sent += len(p)
	return len(p), nil
}
