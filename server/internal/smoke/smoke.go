// Package smoke converts a clip on a running installation, as a person would do
// it, and checks what comes back.
package smoke

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Config says where to go, and as whom.
type Config struct {
	Server         string // the gateway's URL
	Name, Password string // of the account; it is made if it is not there
	Clip           []byte // a video of Seconds
	Seconds        float64
	Log            *slog.Logger
}

const (
	poll = 500 * time.Millisecond
	// tolerance is how much longer or shorter than the clip its MP3 may be.
	tolerance = 0.25
)

// Run uploads the clip, waits for its MP3 until ctx ends, compares its digest and
// length, and removes both.
func Run(ctx context.Context, cfg Config) error {
	anonymous, err := client.New(cfg.Server, http.DefaultClient)
	if err != nil {
		return err
	}
	tokens, err := signIn(ctx, anonymous, api.Credentials{Name: cfg.Name, Password: cfg.Password})
	if err != nil {
		return fmt.Errorf("sign in as %s: %w", cfg.Name, err)
	}
	c, err := client.New(cfg.Server, &http.Client{Transport: bearer(tokens.AccessToken)})
	if err != nil {
		return err
	}
	id, err := upload(ctx, c, cfg.Clip)
	if err != nil {
		return fmt.Errorf("upload the clip: %w", err)
	}
	cfg.Log.InfoContext(ctx, "uploaded", "job", id, "bytes", len(cfg.Clip))
	j, err := await(ctx, c, id)
	if err != nil {
		return err
	}
	if err := check(ctx, c, j, cfg.Seconds); err != nil {
		return err
	}
	cfg.Log.InfoContext(ctx, "converted", "job", id, "seconds", j.Track.Duration, "bytes", j.Track.Size)
	return c.Remove(ctx, id)
}

// signIn makes the account at the first time.
func signIn(ctx context.Context, c *client.Client, who api.Credentials) (api.Tokens, error) {
	tokens, err := c.Login(ctx, who)
	if sx.CodeOf(err) != sx.CodeBadCredentials {
		return tokens, err
	}
	return c.Register(ctx, who)
}

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// upload sends the clip in one request (tus 1.0, the extension
// creation-with-upload) and gives the job's id.
func upload(ctx context.Context, c *client.Client, clip []byte) (string, error) {
	req, err := c.NewRequest(ctx, http.MethodPost, api.PathUploads, nil, bytes.NewReader(clip))
	if err != nil {
		return "", err
	}
	req.Header.Set("Tus-Resumable", "1.0.0")
	req.Header.Set("Content-Type", "application/offset+octet-stream")
	req.Header.Set("Upload-Length", strconv.Itoa(len(clip)))
	req.Header.Set("Upload-Metadata", api.MetaFilename+" "+base64.StdEncoding.EncodeToString([]byte("smoke.mkv")))
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if got := res.Header.Get("Upload-Offset"); got != strconv.Itoa(len(clip)) {
		return "", fmt.Errorf("%s of %d bytes were stored", got, len(clip))
	}
	return path.Base(res.Header.Get("Location")), nil
}

// await asks for the job until it is done.
func await(ctx context.Context, c *client.Client, id string) (api.Job, error) {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		j, err := c.Job(ctx, id)
		switch {
		case err != nil:
			return j, fmt.Errorf("ask for job %s: %w", id, err)
		case j.State == sx.StateDone:
			return j, nil
		case j.State.Final():
			return j, fmt.Errorf("job %s is %s: %+v", id, j.State, j.Error)
		}
		select {
		case <-ctx.Done():
			return j, fmt.Errorf("job %s is still %s: %w", id, j.State, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

func check(ctx context.Context, c *client.Client, j api.Job, seconds float64) error {
	res, err := c.Track(ctx, j.ID, 0, "")
	if err != nil {
		return fmt.Errorf("download the MP3: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	mp3, err := io.ReadAll(io.LimitReader(res.Body, j.Track.Size+1))
	if err != nil {
		return fmt.Errorf("download the MP3: %w", err)
	}
	sum := sha256.Sum256(mp3)
	if got := hex.EncodeToString(sum[:]); got != j.Track.SHA256 {
		return fmt.Errorf("the MP3 has the digest %s, the server says %s", got, j.Track.SHA256)
	}
	if d := j.Track.Duration - seconds; d < -tolerance || d > tolerance {
		return fmt.Errorf("the MP3 lasts %.2f s, the clip %.2f s", j.Track.Duration, seconds)
	}
	return nil
}
