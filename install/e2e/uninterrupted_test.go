//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
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
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// TestUninterrupted changes an installation with two replicas of each service while a
// client that retries nothing uses all of them: it sees no error, and no work is lost.
// The client needs a machine that reaches the addresses of the cluster's Services.
func TestUninterrupted(t *testing.T) {
	o := newOperator(within(t, 12*time.Minute), t, "e2e-load")
	c := o.underLoad(2)
	debug := make([]string, 0, 4)
	for _, part := range sx.Services() {
		debug = append(debug, part+".logLevel=debug")
	}
	c.during("an upgrade", func() { o.sx(o.install("--set", strings.Join(debug, ","))...) })
	c.during("a rollback", func() { o.sx(o.at("rollback", "1")...) })
	c.during("a rotation", func() { o.sx(o.at("secrets", "rotate", "all", "--yes")...) })
	c.nothingLost()
}

// underLoad installs SoundExtract with a number of replicas of each service, and returns a
// client of it.
func (o *operator) underLoad(replicas int) *rawClient {
	o.t.Helper()
	var set []string
	for _, part := range sx.Services() {
		set = append(set, fmt.Sprintf("%s.replicas=%d", part, replicas))
	}
	o.sx(o.install("--set", strings.Join(set, ","))...)
	o.register("ada")
	o.sx(o.at("status", "--wait")...)
	c := &rawClient{o: o, url: o.serviceURL("gateway"), clip: o.makeVideo("clip.mkv", 2, 440)}
	// The pods are ready; the node may not know of them yet.
	o.eventually(o.ctx, "the Service reaches the gateway", func(context.Context) bool {
		var err error
		c.token, err = c.signIn("ada")
		return err == nil
	})
	c.prepareLoad()
	return c
}

// nothingLost waits until everything that was uploaded is converted.
func (c *rawClient) nothingLost() {
	c.o.t.Helper()
	c.o.sx(append([]string{"watch"}, c.uploads...)...)
	for _, id := range c.uploads {
		j := c.o.job(id)
		if j.State != "done" {
			c.o.t.Errorf("job %s is %s", id, j.State)
		}
		for _, a := range j.History.Attempts[:max(0, len(j.History.Attempts)-1)] {
			c.o.t.Logf("job %s: attempt %d by %s, %s to %s, was %s", id, a.Number, a.Host, a.Started, a.Ended, a.Result)
			if a.Result == sx.AttemptFailed {
				c.o.t.Errorf("attempt %d of job %s failed", a.Number, id)
			}
		}
	}
}

// serviceURL returns the address of a service in the cluster's network.
func (o *operator) serviceURL(part string) string {
	o.t.Helper()
	s, err := cluster.Client.CoreV1().Services(o.namespace).Get(o.ctx, "soundextract-"+part, metav1.GetOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	return "http://" + net.JoinHostPort(s.Spec.ClusterIP, strconv.Itoa(int(s.Spec.Ports[0].Port)))
}

// rawClient sends each request once.
type rawClient struct {
	o          *operator
	url, token string
	clip       string // path of a video

	mu      sync.Mutex
	sent    map[string]int // by the kind of request
	failed  map[string]int // by error
	uploads []string       // IDs of jobs

	recording api.Job // has the MP3 that is downloaded
	waiting   string  // ID of an upload of which nothing arrives
	long      string  // path of a video whose conversion takes longer than most changes
}

// during uses the installation while change runs.
func (c *rawClient) during(name string, change func()) {
	c.o.t.Helper()
	clip, err := os.ReadFile(c.clip)
	if err != nil {
		c.o.t.Fatal(err)
	}
	c.sent, c.failed = map[string]int{}, map[string]int{}
	ctx, stop := context.WithCancel(c.o.ctx)
	var group sync.WaitGroup
	for _, path := range []string{"/v1/jobs", "/v1/auth/me", "/v1/notify"} {
		group.Go(func() { c.repeat(ctx, path, 250*time.Millisecond, func() error { return c.get(path) }) })
	}
	group.Go(func() { c.repeat(ctx, "sign-ins", 500*time.Millisecond, c.signInAndList) })
	group.Go(func() { c.repeat(ctx, "uploads", time.Second, func() error { return c.upload(clip) }) })
	group.Go(func() { c.repeat(ctx, "downloads", 0, c.download) })
	group.Go(func() { c.repeat(ctx, "event streams", 0, func() error { return c.stream(ctx) }) })
	long := c.startLong()
	start := time.Now()
	change()
	took := time.Since(start)
	c.o.t.Logf("the long conversion is %s", c.o.job(long).State)
	stop()
	group.Wait()
	c.o.t.Logf("%s took %.0f s; meanwhile %v", name, took.Seconds(), c.sent)
	if c.sent["/v1/jobs"] < 10 {
		c.o.t.Errorf("only %d requests were sent during %s", c.sent["/v1/jobs"], name)
	}
	for err, times := range c.failed {
		c.o.t.Errorf("during %s, %d times: %s", name, times, err)
	}
}

// repeat sends requests with pauses between them until ctx ends.
func (c *rawClient) repeat(ctx context.Context, what string, pause time.Duration, send func() error) {
	for {
		err := send()
		c.mu.Lock()
		c.sent[what]++
		if err != nil {
			c.failed[what+": "+err.Error()]++
		}
		c.mu.Unlock()
		if backoff.Sleep(ctx, pause) != nil {
			return
		}
	}
}

// signIn returns an access token.
func (c *rawClient) signIn(name string) (string, error) {
	credentials, err := json.Marshal(api.Credentials{Name: name, Password: strings.TrimSpace(password)})
	if err != nil {
		return "", err
	}
	_, body, err := c.send(http.MethodPost, api.PathLogin, "", credentials, map[string]string{"Content-Type": "application/json"})
	if err != nil {
		return "", err
	}
	var tokens api.Tokens
	err = json.Unmarshal(body, &tokens)
	return tokens.AccessToken, err
}

// signInAndList uses a token at once, perhaps with a gateway that does not know its key yet.
func (c *rawClient) signInAndList() error {
	token, err := c.signIn("ada")
	if err == nil {
		_, _, err = c.send(http.MethodGet, "/v1/jobs", token, nil, nil)
	}
	return err
}

func (c *rawClient) get(path string) error {
	_, _, err := c.send(http.MethodGet, path, c.token, nil, nil)
	return err
}

// upload uploads the clip in one request.
func (c *rawClient) upload(clip []byte) error {
	_, err := c.uploadAs("clip.mkv", clip)
	return err
}

// uploadAs uploads a video in one request, and returns its ID; metadata has names and values.
func (c *rawClient) uploadAs(name string, video []byte, metadata ...string) (string, error) {
	pairs := []string{"filename " + base64.StdEncoding.EncodeToString([]byte(name))}
	for i := 0; i < len(metadata); i += 2 {
		pairs = append(pairs, metadata[i]+" "+base64.StdEncoding.EncodeToString([]byte(metadata[i+1])))
	}
	h, _, err := c.send(http.MethodPost, "/v1/uploads/", c.token, video, map[string]string{
		"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Length": strconv.Itoa(len(video)),
		"Upload-Metadata": strings.Join(pairs, ","),
	})
	if err != nil {
		return "", err
	}
	if got := h.Get("Upload-Offset"); got != strconv.Itoa(len(video)) {
		return "", fmt.Errorf("%s of %d bytes were stored", got, len(video))
	}
	id := path.Base(h.Get("Location"))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uploads = append(c.uploads, id)
	return id, nil
}

// send sends a request on a new connection: net/http would retry one on a reused
// connection.
func (c *rawClient) send(method, path, token string, body []byte, header map[string]string) (http.Header, []byte, error) {
	ctx, cancel := context.WithTimeout(c.o.ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, nil, fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return resp.Header, text, nil
}
