package check

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

const (
	uploadSize  = 512 << 10 // in bytes
	interruptAt = uploadSize / 2
	// deliveryDelay lets the first half reach the gateway before the
	// interruption.
	deliveryDelay = time.Second
	// offsetTimeout bounds the wait for the gateway to store what it received; a proxy
	// may keep the interrupted connection open for that long.
	offsetTimeout  = 15 * time.Second
	offsetInterval = 500 * time.Millisecond
)

// refusals are the codes of a server that accepts no upload for a reason that another
// check or command reports.
var refusals = []sx.Code{sx.CodeStorageFull, sx.CodeQuotaExceeded, sx.CodeDailyLimit, sx.CodeTooManyRequests}

// errInterrupted is the error with which the check interrupts its own upload.
var errInterrupted = errors.New("interrupted on purpose")

// interruptedUpload sends half of an upload, interrupts it, and asks the server for
// the offset: it is 0 if a proxy buffers requests. The upload is removed afterwards.
func interruptedUpload(ctx context.Context, env *Env) error {
	signIn := "set a token in SX_TOKEN, or sign in with: " + env.SignIn
	if env.Server == "" {
		return Skip("set the public address with --server URL", "the public address of the server is not known")
	}
	if env.Token == nil {
		return Skip(signIn, "not signed in, so that nothing can be uploaded")
	}
	token, err := env.Token(ctx)
	if code := sx.CodeOf(err); code == sx.CodeUnauthenticated || code == sx.CodeSessionEnded {
		return Skip(signIn, "not signed in, so that nothing can be uploaded")
	}
	if sx.CodeOf(err) == sx.CodeUnreachable {
		return Skip("", "there is no server to upload to")
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
	uploads := tus.Client{API: c}
	id, err := uploads.Create(ctx, uploadSize, map[string]string{api.MetaFilename: "sx-doctor.mp4"}, "")
	if slices.Contains(refusals, sx.CodeOf(err)) {
		return Skip("", "the server refuses uploads: %s", err)
	}
	if err != nil {
		return err
	}
	defer terminate(ctx, uploads, id)
	if err := sendHalf(ctx, uploads, id); err != nil {
		return err
	}
	kept, err := waitForOffset(ctx, uploads, id)
	if err != nil {
		return err
	}
	if kept == 0 {
		return sx.NewError(sx.CodeUnavailable, "the server stored no bytes of an upload that was interrupted after %d bytes: a proxy buffers requests", interruptAt).
			WithHint("disable request buffering in the proxy or Ingress controller (nginx: proxy_request_buffering off)")
	}
	return nil
}

func sendHalf(ctx context.Context, uploads tus.Client, id string) error {
	_, err := uploads.Send(ctx, id, 0, &truncatedVideo{ctx: ctx}, uploadSize, nil)
	var unreachable *client.Unreachable
	if err == nil || errors.Is(err, errInterrupted) || errors.As(err, &unreachable) {
		return ctx.Err()
	}
	return err
}

// waitForOffset returns the server's offset as soon as it is not 0, and 0 after
// offsetTimeout.
func waitForOffset(ctx context.Context, uploads tus.Client, id string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, offsetTimeout)
	defer cancel()
	for {
		offset, err := uploads.Offset(ctx, id)
		if err == nil && offset > 0 {
			return offset, nil
		}
		if backoff.Sleep(ctx, offsetInterval) != nil {
			return offset, err
		}
	}
}

func terminate(ctx context.Context, uploads tus.Client, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shortTimeout)
	defer cancel()
	_ = uploads.Terminate(ctx, id) // otherwise it expires by itself
}

// truncatedVideo is half of a video, followed by errInterrupted.
type truncatedVideo struct {
	ctx  context.Context //nolint:containedctx // of the one Send that reads it
	sent int
}

// header starts an MP4, because the gateway refuses files that are not videos.
const header = "\x00\x00\x00\x18ftypisom"

func (v *truncatedVideo) Read(p []byte) (int, error) {
	if v.sent >= interruptAt {
		_ = backoff.Sleep(v.ctx, deliveryDelay) // the error ends the upload in any case
		return 0, errInterrupted
	}
	p = p[:min(len(p), interruptAt-v.sent)]
	clear(p)
	if v.sent < len(header) {
		copy(p, header[v.sent:])
	}
	v.sent += len(p)
	return len(p), nil
}
