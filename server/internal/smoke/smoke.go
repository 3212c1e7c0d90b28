// Package smoke tests a running installation: it converts a clip the way a user
// does and checks the MP3.
package smoke

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// Config is the configuration of Run.
type Config struct {
	Server         string  // the gateway's URL
	Name, Password string  // of the account, which is registered if it does not exist
	Invitation     string  // the code to register it with
	Clip           []byte  // the video
	Seconds        float64 // its length
	Log            *slog.Logger
}

const (
	poll = 500 * time.Millisecond
	// routing is how long a cluster may take to route to a pod that has just become ready.
	routing = 30 * time.Second
	// tolerance is how much longer or shorter than the clip its MP3 may be.
	tolerance = 0.25
)

// Run uploads the clip, waits for its MP3 until ctx ends, checks the MP3's digest
// and length, and removes the job.
func Run(ctx context.Context, cfg Config) error {
	anonymous, err := client.New(cfg.Server, http.DefaultClient)
	if err != nil {
		return err
	}
	if err := reach(ctx, anonymous); err != nil {
		return err
	}
	tokens, err := signIn(ctx, anonymous, api.Credentials{Name: cfg.Name, Password: cfg.Password, Invitation: cfg.Invitation})
	if err != nil {
		return fmt.Errorf("sign in as %s: %w", cfg.Name, err)
	}
	c, err := client.New(cfg.Server, &http.Client{Transport: client.Bearer{Token: tokens.AccessToken}})
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
	cfg.Log.InfoContext(ctx, "converted", "job", id, "seconds", j.Track(1).Duration, "bytes", j.Track(1).Size)
	return c.Remove(ctx, id)
}

// signIn registers the account the first time.
func signIn(ctx context.Context, c *client.Client, who api.Credentials) (api.Tokens, error) {
	tokens, err := c.Login(ctx, api.Credentials{Name: who.Name, Password: who.Password})
	if sx.CodeOf(err) != sx.CodeBadCredentials {
		return tokens, err
	}
	return c.Register(ctx, who)
}

// upload uploads the clip and returns the job's id.
func upload(ctx context.Context, c *client.Client, clip []byte) (string, error) {
	t := tus.Client{API: c}
	size := int64(len(clip))
	id, err := t.Create(ctx, size, map[string]string{api.MetaFilename: "smoke.mkv"}, "")
	if err != nil {
		return "", err
	}
	switch stored, err := t.Send(ctx, id, 0, bytes.NewReader(clip), size, nil); {
	case err != nil:
		return "", err
	case stored != size:
		return "", fmt.Errorf("the server stored %d of %d bytes", stored, size)
	}
	return id, nil
}

// reach waits until the server answers.
func reach(ctx context.Context, c *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, routing)
	defer cancel()
	for {
		err := c.Check(ctx)
		if _, unreachable := errors.AsType[*client.Unreachable](err); !unreachable || backoff.Sleep(ctx, poll) != nil {
			return err
		}
	}
}

// await polls the job until it is done.
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
	res, err := c.Track(ctx, j.ID, 1, 0, "")
	if err != nil {
		return fmt.Errorf("download the MP3: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	mp3, err := io.ReadAll(io.LimitReader(res.Body, j.Track(1).Size+1))
	if err != nil {
		return fmt.Errorf("download the MP3: %w", err)
	}
	sum := sha256.Sum256(mp3)
	if got := hex.EncodeToString(sum[:]); got != j.Track(1).SHA256 {
		return fmt.Errorf("the MP3 has the digest %s, want %s", got, j.Track(1).SHA256)
	}
	if d := j.Track(1).Duration - seconds; d < -tolerance || d > tolerance {
		return fmt.Errorf("the MP3 is %.2f s long, the clip %.2f s", j.Track(1).Duration, seconds)
	}
	return nil
}
