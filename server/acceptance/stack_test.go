package acceptance_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
	"github.com/soundextract/sx/server/testkit/stack"
)

// limit bounds each wait of a test.
const limit = 2 * time.Minute

func TestStack(t *testing.T) {
	parallel(t)
	programs(t)
	testkit.Need(t, "ffmpeg")
	dir := t.TempDir()
	s := stack.Start(t, stack.Config{Bin: bin, Dir: dir, Gateways: 2, Converters: 2, MongoDB: mongodb.StartOwn(t)})
	t.Run("any gateway continues an upload", func(t *testing.T) { anyGateway(t, s) })
	t.Run("key rotation", func(t *testing.T) { rotation(t, s, filepath.Join(dir, "keys")) })
	t.Run("a database that hangs", func(t *testing.T) { hanging(t, s) })
	t.Run("a gateway that stops while the database is slow", func(t *testing.T) { stopping(t, s) })
	t.Run("a gateway waits for its dependencies", func(t *testing.T) { waiting(t, s) })
}

// account is a user who is signed in.
type account struct {
	t     *testing.T
	token string
}

func register(t *testing.T, gateway *stack.Process) *account {
	t.Helper()
	c, err := client.New(gateway.URL(), http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Register(t.Context(), api.Credentials{Name: "ada-" + sx.NewID(), Password: "correct horse battery"})
	if err != nil {
		t.Fatal(err)
	}
	return &account{t, tokens.AccessToken}
}

// do sends a request and returns the response, which must have the status.
func (p *account) do(ctx context.Context, method, url string, body io.Reader, status int, header ...string) (http.Header, []byte) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		p.t.Fatalf("%s %s: %s, want %d, error %v\n%s", method, url, res.Status, status, err, raw)
	}
	return res.Header, raw
}

// anyGateway uploads one half of a video through each gateway, and downloads
// the track from both.
func anyGateway(t *testing.T, s *stack.Stack) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	video := makeVideo(t, ctx)
	one, two := s.Gateways[0].URL(), s.Gateways[1].URL()
	p := register(t, s.Gateways[0])
	h, _ := p.do(ctx, http.MethodPost, one+api.PathUploads, nil, http.StatusCreated,
		"Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(len(video)),
		"Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte("talk.mp4")))
	id := h.Get("Location")[strings.LastIndex(h.Get("Location"), "/")+1:]
	half := len(video) / 2
	patch := func(gateway string, offset int, body []byte) {
		t.Helper()
		p.do(ctx, http.MethodPatch, gateway+api.PathUploads+id, bytes.NewReader(body), http.StatusNoContent,
			"Tus-Resumable", "1.0.0", "Upload-Offset", strconv.Itoa(offset), "Content-Type", "application/offset+octet-stream")
	}
	patch(one, 0, video[:half])
	h, _ = p.do(ctx, http.MethodHead, two+api.PathUploads+id, nil, http.StatusOK, "Tus-Resumable", "1.0.0")
	if got := h.Get("Upload-Offset"); got != strconv.Itoa(half) {
		t.Fatalf("the other gateway is at %s, want %d", got, half)
	}
	patch(two, half, video[half:])

	job := p.await(ctx, one, id)
	sum := sha256.Sum256(video)
	if job.State != sx.StateDone || job.Sent.SHA256 != hex.EncodeToString(sum[:]) {
		t.Fatalf("the job is %s with video %s, error %v", job.State, job.Sent.SHA256, job.Error)
	}
	for _, gateway := range []string{one, two} {
		_, track := p.do(ctx, http.MethodGet, gateway+strings.NewReplacer("{id}", id, "{number}", "1").Replace(api.PathTrack), nil, http.StatusOK)
		sum := sha256.Sum256(track)
		if got := hex.EncodeToString(sum[:]); got != job.Track(1).SHA256 {
			t.Errorf("the track from %s has the digest %s, want %s", gateway, got, job.Track(1).SHA256)
		}
	}
}

// await follows the job at a gateway until it has ended.
func (p *account) await(ctx context.Context, gateway, id string) api.Job {
	p.t.Helper()
	c, err := client.New(gateway, &http.Client{Transport: client.Bearer{Token: p.token}})
	if err != nil {
		p.t.Fatal(err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		job, err := c.Job(ctx, id)
		if err != nil {
			p.t.Fatal(err)
		}
		if job.State != sx.StateUploading && job.State != sx.StateQueued && job.State != sx.StateRunning {
			return job
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("the job is still %s", job.State)
		}
	}
}

func makeVideo(t *testing.T, ctx context.Context) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "talk.mp4")
	cmd := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=10:duration=4",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=4", "-c:v", "mpeg4", "-c:a", "aac", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a video: %v\n%s", err, out)
	}
	video, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return video
}

// waiting starts a gateway while everything else is stopped.
func waiting(t *testing.T, s *stack.Stack) {
	gateway := s.Gateways[0]
	for _, p := range s.Programs() {
		p.Stop(t) // by SIGTERM, with exit code 0
	}
	s.Broker.Stop(t)
	s.MongoDB.Kill(t)

	gateway.Start(t)
	status(t, gateway, api.PathHealth, http.StatusOK, `"ok"`)
	status(t, gateway, api.PathReady, http.StatusServiceUnavailable, "store: waiting for MongoDB")
	status(t, gateway, api.PathReady, http.StatusServiceUnavailable, "bus: waiting for RabbitMQ")
	status(t, gateway, api.PathReady, http.StatusServiceUnavailable, "auth: auth is not ready")
	status(t, gateway, api.PathJobs, http.StatusServiceUnavailable, "the server is starting")
	if code, _, stderr := execute(t, nil, "gateway", "healthcheck", "--addr", strings.TrimPrefix(gateway.URL(), "http://")); code != 0 {
		t.Errorf("healthcheck of a waiting gateway: exit code %d\n%s", code, stderr)
	}
	until(t, func(context.Context) bool {
		log, err := os.ReadFile(gateway.Log())
		return err == nil && bytes.Contains(log, []byte(`"msg":"waiting","for":"MongoDB"`)) &&
			bytes.Contains(log, []byte(`"msg":"waiting","for":"RabbitMQ"`))
	}, "the log names the missing dependencies")
	s.Auth.Start(t)
	s.Auth.Stop(t) // while it is waiting
	s.Auth.Start(t)
	s.MongoDB.Resume(t)
	s.Broker.Restart(t)
	gateway.WaitReady(t)
	register(t, gateway)

	addr := ":" + gateway.URL()[strings.LastIndex(gateway.URL(), ":")+1:]
	if code, _, stderr := execute(t, []string{"SX_ADDR=" + addr}, "gateway", "healthcheck"); code != 0 {
		t.Errorf("healthcheck with SX_ADDR: exit code %d\n%s", code, stderr)
	}
	s.Auth.Kill(t)
	// A gateway that has been ready remains so, to send errors that clients understand.
	status(t, gateway, api.PathReady, http.StatusOK, `"degraded":"auth`)
	gateway.Stop(t)
	if code, _, stderr := execute(t, []string{"SX_ADDR=" + addr}, "gateway", "healthcheck"); code != 1 || !strings.Contains(stderr, "see the log of gateway") {
		t.Errorf("healthcheck of a stopped gateway: exit code %d\n%s", code, stderr)
	}
}

func status(t *testing.T, p *stack.Process, path string, want int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want || !strings.Contains(string(raw), text) {
		t.Errorf("GET %s: %s, error %v, %s; want %d with %q", path, res.Status, err, raw, want, text)
	}
}

// until polls cond until it returns true.
func until(t *testing.T, cond func(ctx context.Context) bool, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !cond(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not after %v: %s", limit, what)
		}
	}
}
