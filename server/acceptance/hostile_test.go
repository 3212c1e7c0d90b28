package acceptance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/stack"
)

// server is what hostile clients attack.
type server struct {
	addr     string
	auth     string        // the header line of a user
	programs []string      // the URLs of all programs that do its work
	clients  int           // how many hostile clients it has at the same time
	slow     time.Duration // how long an ordinary request may take
}

// usage is what all programs of the server use.
type usage struct{ rss, goroutines, files, cpu float64 }

func (s *server) usage(t *testing.T) (sum usage) {
	t.Helper()
	for _, program := range s.programs {
		u := usageOf(t, program)
		sum.rss, sum.goroutines, sum.files, sum.cpu = sum.rss+u.rss, sum.goroutines+u.goroutines, sum.files+u.files, sum.cpu+u.cpu
	}
	return sum
}

// usageOf reads the metrics of the program at a URL.
func usageOf(t *testing.T, program string) usage {
	t.Helper()
	res, err := http.Get(program + api.PathMetrics)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string) float64 {
		_, rest, ok := strings.Cut("\n"+string(text), "\n"+name+" ")
		number, _, _ := strings.Cut(rest, "\n")
		v, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil {
			t.Fatalf("no metric %s of %s: %v", name, program, err)
		}
		return v
	}
	return usage{value("process_resident_memory_bytes"), value("go_goroutines"), value("process_open_fds"), value("process_cpu_seconds_total")}
}

// startLocal starts sxd, open to registration.
func startLocal(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	addr, err := testkit.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "sxd"), "--addr", addr, "--data", filepath.Join(dir, "data"), "--registration", "open", "--quota", "1GiB", "--reserve", "0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("sxd: %v", err)
		}
		noErrors(t, "sxd", log.String())
	})
	testkit.Eventually(t, "sxd to be ready", func() bool {
		res, err := http.Get("http://" + addr + api.PathReady)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return &server{addr: addr, programs: []string{"http://" + addr}, clients: 8, slow: 10 * time.Second}
}

// startServices starts the services, with one gateway and one converter.
func startServices(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { // after they have stopped
		logs, err := filepath.Glob(filepath.Join(dir, "log", "*.log"))
		if err != nil || len(logs) != 4 {
			t.Errorf("%d logs of the services, error %v", len(logs), err)
		}
		for _, name := range logs {
			log, err := os.ReadFile(name)
			if err != nil {
				t.Error(err)
			}
			noErrors(t, filepath.Base(name), string(log))
		}
	})
	services := stack.Start(t, stack.Config{Bin: bin, Dir: dir, GatewayFlags: []string{"--quota", "1GiB"}})
	// The stand-in for MongoDB serves one query at a time; those that wait for long are errors.
	s := &server{addr: strings.TrimPrefix(services.Gateways[0].URL(), "http://"), clients: 3, slow: 15 * time.Second}
	for _, p := range services.Programs() {
		s.programs = append(s.programs, p.URL())
	}
	return s
}

// noErrors fails the test if a program's log has a line of level ERROR.
func noErrors(t *testing.T, program, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"level":"ERROR"`) {
			t.Errorf("%s logged: %s", program, line)
		}
	}
}

// register creates the account whose token the hostile clients have.
func (s *server) register(t *testing.T) {
	t.Helper()
	c, err := client.New("http://"+s.addr, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Register(t.Context(), api.Credentials{Name: "mallory", Password: "correct horse battery"})
	if err != nil {
		t.Fatal(err)
	}
	s.auth = "Authorization: Bearer " + tokens.AccessToken
}

// send sends the bytes and returns the response, or nil if the connection was closed
// without one.
func (s *server) send(raw string) (*http.Response, []byte, error) {
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		return nil, nil, err
	}
	// The server may respond before it has read everything. If one direction were closed,
	// the server would assume that the client is gone.
	go func() { _, _ = io.WriteString(c, raw) }()
	method, _, _ := strings.Cut(raw, " ")
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // as the connection returns it
			return nil, nil, err
		}
		return nil, nil, nil // refused without a response
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res, body, err
}

// check sends an input and checks the response.
func (s *server) check(t *testing.T, in input) (status int) {
	t.Helper()
	res, body, err := s.send(in.raw)
	switch {
	case err != nil:
		t.Errorf("%s: %v", in.name, err)
		return 0
	case res == nil:
		return 0
	case res.Header.Get("X-Injected") != "":
		t.Errorf("%s: a header was injected", in.name)
	case res.StatusCode >= http.StatusInternalServerError && res.StatusCode != http.StatusNotImplemented && res.StatusCode != http.StatusHTTPVersionNotSupported:
		// Only net/http answers 501 and 505, to what is not HTTP/1.1.
		t.Errorf("%s: %s %s", in.name, res.Status, body)
	case strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") && res.StatusCode >= http.StatusBadRequest && len(body) > 0:
		var failed api.ErrorBody
		if err := json.Unmarshal(body, &failed); err != nil || failed.Error.Code == "" || failed.Error.Code == sx.CodeInternal {
			t.Errorf("%s: %s with %s", in.name, res.Status, body)
		}
		if strings.ContainsAny(failed.Error.Message+failed.Error.Hint, "\x00\x1b\r\n\u202e") {
			t.Errorf("%s: the error is not clean: %q", in.name, failed.Error)
		}
	}
	return res.StatusCode
}

// upload sends a file and returns its job, or "" if it is refused.
func (s *server) upload(t *testing.T, name, content string) string {
	t.Helper()
	res, body, err := s.send(request("POST", api.PathUploads, content, s.auth, resume, octets, "Upload-Length: "+strconv.Itoa(len(content)),
		"Upload-Metadata: filename "+base64.StdEncoding.EncodeToString([]byte(name))))
	if err != nil || res == nil || res.StatusCode >= http.StatusInternalServerError {
		t.Errorf("upload of %q: %v, error %v: %s", name, res, err, body)
		return ""
	}
	if res.StatusCode != http.StatusCreated {
		return ""
	}
	return strings.TrimPrefix(res.Header.Get("Location"), api.PathUploads)
}

// await returns the job once it has ended.
func (s *server) await(t *testing.T, id string) (job api.Job) {
	t.Helper()
	testkit.EventuallyWithin(t, limit, "the job of a hostile file to end", func() bool {
		_, body, err := s.send(request("GET", strings.Replace(api.PathJob, "{id}", id, 1), "", s.auth))
		if err != nil || json.Unmarshal(body, &job) != nil {
			t.Fatalf("job %s: %v %s", id, err, body)
		}
		return job.State.Final()
	})
	return job
}

// wav is a second of silence.
func wav() string {
	const size = 16_000
	le := func(n, size int) string {
		out := make([]byte, size)
		for i := range out {
			out[i] = byte(n >> (8 * i))
		}
		return string(out)
	}
	return "RIFF" + le(36+size, 4) + "WAVEfmt " + le(16, 4) + le(1, 2) + le(1, 2) + le(8000, 4) + le(16_000, 4) + le(2, 2) + le(16, 2) + "data" + le(size, 4) + strings.Repeat("\x00", size)
}

// TestHostileInputs sends thousands of hostile requests and files to sxd, and to the
// services, while slow clients hold connections and an ordinary one is served.
func TestHostileInputs(t *testing.T) {
	parallel(t)
	programs(t)
	testkit.Need(t, "ffmpeg")
	t.Run("sxd", func(t *testing.T) {
		t.Parallel()
		hostileInputs(t, startLocal(t))
	})
	t.Run("services", func(t *testing.T) {
		t.Parallel()
		hostileInputs(t, startServices(t))
	})
}

func hostileInputs(t *testing.T, s *server) {
	s.register(t)
	before := s.usage(t)
	start := time.Now()
	var background sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer stop()

	slow := make([]net.Conn, 150)
	for i := range slow {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		slow[i] = c
		text := []string{"", "GET /v1/jobs HTTP/1.1\r\nA: b", request("POST", api.PathLogin, "", jsonType, "Content-Length: 100") + "{"}[i%3]
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
	}
	background.Go(func() { // the server closes them, in bounded time
		for i, c := range slow {
			_ = c.SetReadDeadline(start.Add(limit))
			if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("slow client %d: %v", i, err)
			}
			_ = c.Close()
		}
		if took := time.Since(start); took > 40*time.Second {
			t.Errorf("slow clients were closed after %v", took)
		}
	})
	streams := 0
	upload := s.upload(t, "unfinished.wav", wav()[:0]+"RIFF")
	for range 15 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		id := openUpload(t, s)
		_, _ = io.WriteString(c, request("GET", api.PathEvents+"?id="+id, "", s.auth))
		_ = c.SetReadDeadline(time.Now().Add(testkit.Timeout))
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusOK {
			streams++
		} else if res.StatusCode != http.StatusTooManyRequests {
			t.Errorf("a stream has the status %d", res.StatusCode)
		}
	}
	if streams != 10 {
		t.Errorf("%d streams are open, want 10", streams)
	}
	var most usage
	var slowest time.Duration
	background.Go(func() { // the ordinary client
		for ctx.Err() == nil {
			asked := time.Now()
			if status := s.check(t, input{"an ordinary request", request("GET", api.PathJobs, "", s.auth)}); status != http.StatusOK {
				t.Errorf("an ordinary request has the status %d", status)
			}
			slowest = max(slowest, time.Since(asked))
			now := s.usage(t)
			most.rss, most.goroutines, most.files = max(most.rss, now.rss), max(most.goroutines, now.goroutines), max(most.files, now.files)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	})

	good := s.upload(t, "good.wav", wav())
	var inputs []input
	for _, group := range [][]input{protocol(s.auth), paths(s.auth), queries(s.auth), bodies(s.auth), credentials(), uploads(s.auth), appends(s.auth, openUpload(t, s))} {
		inputs = append(inputs, group...)
	}
	if upload != "" {
		t.Error("four bytes are taken for a media file")
	}
	files := media(wav())
	queue := make(chan func())
	var workers sync.WaitGroup
	for range s.clients {
		workers.Go(func() {
			for work := range queue {
				work()
			}
		})
	}
	for name, content := range files {
		queue <- func() {
			if id := s.upload(t, name, content); id != "" {
				s.await(t, id)
			}
		}
	}
	for _, in := range inputs {
		queue <- func() { s.check(t, in) }
	}
	job := s.await(t, good)
	if job.State != sx.StateDone {
		t.Fatalf("the ordinary file is %s: %v", job.State, job.Error)
	}
	parts := ranges(s.auth, strings.NewReplacer("{id}", good, "{number}", "1").Replace(api.PathTrack))
	for _, in := range parts {
		queue <- func() { s.check(t, in) }
	}
	close(queue)
	workers.Wait()
	took := time.Since(start)
	stop()
	background.Wait()

	kept, peak := 200.0*(1<<20), 400.0*(1<<20) // bytes that may remain and be in use
	several := float64(len(s.programs))        // each keeps connections to the others
	if testkit.Race {
		kept, peak = 5*kept, 2*peak // the race detector keeps several bytes for each
	}
	var after usage
	testkit.EventuallyWithin(t, limit, "memory, goroutines and connections to go back", func() bool {
		http.DefaultClient.CloseIdleConnections()
		after = s.usage(t)
		return after.goroutines < before.goroutines+40*several && after.files < before.files+25*several && after.rss < before.rss+kept
	}, func() any { return fmt.Sprintf("before %+v, after %+v", before, after) })
	testkit.Report(t, "%d requests and %d files in %v; ordinary requests took at most %v; memory %.0f MB, at most %.0f, then %.0f; at most %.0f goroutines and %.0f files; %.1f s of CPU",
		len(inputs)+len(parts), len(files), took.Round(time.Second), slowest.Round(time.Millisecond), before.rss/1e6, most.rss/1e6, after.rss/1e6, most.goroutines, most.files, after.cpu-before.cpu)
	if most.rss > before.rss+peak || most.goroutines > 2000 || most.files > 1000 {
		t.Errorf("at most %+v, before %+v", most, before)
	}
	if slowest > s.slow {
		t.Errorf("an ordinary request took %v", slowest)
	}
}

// openUpload creates an upload that stays unfinished.
func openUpload(t *testing.T, s *server) string {
	t.Helper()
	res, body, err := s.send(request("POST", api.PathUploads, "", s.auth, resume, "Upload-Length: 1000", "Upload-Metadata: filename YQ=="))
	if err != nil || res == nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("create an upload: %v %s", err, body)
	}
	return strings.TrimPrefix(res.Header.Get("Location"), api.PathUploads)
}
