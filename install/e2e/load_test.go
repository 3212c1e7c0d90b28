//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backoff"
)

// The length of a download: more than the buffers of a connection whose client is slow.
const (
	recordingSeconds = 60
	downloadTime     = 8 * time.Second
)

// prepareLoad creates what is used during changes.
func (c *rawClient) prepareLoad() {
	c.o.t.Helper()
	video, err := os.ReadFile(c.o.makeVideo("recording.mkv", recordingSeconds, 440))
	c.o.must(err)
	id, err := c.uploadAs("recording.mkv", video, "bitrate", "320")
	c.o.must(err)
	c.o.sx("watch", id)
	_, raw, err := c.send(http.MethodGet, "/v1/jobs/"+id, c.token, nil, nil)
	c.o.must(err)
	c.o.must(json.Unmarshal(raw, &c.recording))
	h, _, err := c.send(http.MethodPost, "/v1/uploads/", c.token, nil, map[string]string{
		"Tus-Resumable": "1.0.0", "Upload-Length": "1000", "Upload-Metadata": "filename " + base64.StdEncoding.EncodeToString([]byte("waiting.mkv")),
	})
	c.o.must(err)
	c.waiting = path.Base(h.Get("Location"))
	c.long = c.o.makeLong("long.mkv", 2*60*60)
}

// startLong starts a long conversion.
func (c *rawClient) startLong() string {
	c.o.t.Helper()
	video, err := os.ReadFile(c.long)
	c.o.must(err)
	id, err := c.uploadAs("long.mkv", video)
	c.o.must(err)
	c.o.eventually(c.o.ctx, "the long conversion runs", func(context.Context) bool { return c.o.job(id).State == "running" })
	return id
}

// download downloads the recording's MP3 slowly, and compares its digest.
func (c *rawClient) download() error {
	dialer := &net.Dialer{}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = errors.Join(err, tcp.SetReadBuffer(64<<10)) // the server has to wait for the client
		}
		return conn, err
	}}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(c.o.ctx, 10*downloadTime)
	defer cancel()
	track := c.recording.Tracks[0]
	res, err := c.open(ctx, transport, "/v1/jobs/"+c.recording.ID+"/tracks/"+strconv.Itoa(track.Number))
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it is read to its end
	const parts = 100
	sum := sha256.New()
	for err == nil {
		_, err = io.CopyN(sum, res.Body, track.Size/parts)
		_ = backoff.Sleep(ctx, downloadTime/parts)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !errors.Is(err, io.EOF) || got != track.SHA256 {
		return fmt.Errorf("got %s instead of %s: %w", got, track.SHA256, err)
	}
	return nil
}

// stream follows an upload's events until the server ends the stream, which it may do when
// it stops; the next stream then has to begin at once.
func (c *rawClient) stream(ctx context.Context) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := c.open(ctx, transport, "/v1/events?id="+c.waiting)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it is read to its end
	raw, err := io.ReadAll(res.Body)
	switch {
	case ctx.Err() != nil:
		return nil
	case !strings.Contains(string(raw), "event: "+api.EventJob):
		err = errors.Join(err, fmt.Errorf("no event in %q", raw))
	}
	return err
}

// open sends a GET request and returns the response, whose body may be long.
func (c *rawClient) open(ctx context.Context, transport *http.Transport, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+address, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := transport.RoundTrip(req)
	if err == nil && res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		err = errors.New(res.Status)
	}
	return res, err
}
