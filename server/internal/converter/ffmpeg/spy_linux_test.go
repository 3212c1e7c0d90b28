package ffmpeg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/testkit"
)

// spyVariable makes the test program the spy. It has the inodes of the sockets on which
// the test listens.
const spyVariable = "SX_TEST_SPY"

func TestMain(m *testing.M) {
	if inodes := os.Getenv(spyVariable); inodes != "" {
		if err := spy(os.Stdout, strings.Split(inodes, ",")); err != nil { //nolint:forbidigo // here this is a main
			panic(err)
		}
		return
	}
	m.Run() // Run stores the exit code
}

// TestOtherUsersGetNothing checks that while ffmpeg reads a video, another user of the
// machine can neither see what is needed to read the video nor get it otherwise.
func TestOtherUsersGetNothing(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	sound := read(t, mediaFrom(t, "anoisesrc=duration=900:sample_rate=8000", "in.wav", "-map", "0:a", "-c:a", "pcm_s16le"))
	ctx, cancel := context.WithCancel(t.Context())
	decoding := make(chan struct{}, 1) // only the decoder reads so far
	src := &stalled{bytes.NewReader(sound), ctx, int64(len(sound) / 2), decoding}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = transcoder(t, nil).Transcode(ctx, converter.Input{Video: src, Size: int64(len(sound))}, discard)
	}()
	defer func() { cancel(); <-done }()
	select {
	case <-decoding:
	case <-done:
		t.Fatal("the conversion has ended early")
	}

	spy := exec.CommandContext(t.Context(), "/proc/self/exe")
	spy.Env = []string{spyVariable + "=" + strings.Join(socketInodes(t), ",")}
	spy.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	spy.Dir = "/"
	out, err := spy.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the spy has seen the decoder") || !strings.Contains(string(out), "refused: 407") {
		t.Errorf("%v\n%s", err, out)
	}
}

// spy is what the other user does. It returns what it should not have seen.
func spy(out io.Writer, inodes []string) error {
	var found []error
	paths := []string{"/", "/0"}
	for _, line := range commandLines() {
		if isDecoder(line) {
			_, _ = fmt.Fprintln(out, "the spy has seen the decoder")
		}
		for _, address := range regexp.MustCompile(`http://[^ \x00]+`).FindAllString(line, -1) {
			if u, err := url.Parse(address); err == nil {
				paths = append(paths, u.Path)
			}
			if strings.Contains(address, "@") {
				found = append(found, fmt.Errorf("a password is on a command line: %q", line))
			}
		}
	}
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte("http_proxy=")) {
			found = append(found, fmt.Errorf("%s can be read", path))
		}
	}
	ports, err := listening(inodes)
	if err != nil {
		return err
	}
	for _, port := range ports {
		for _, path := range paths {
			resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
			if err != nil {
				continue // no HTTP, or it has ended
			}
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 100))
			_ = resp.Body.Close()
			if resp.StatusCode < 300 {
				found = append(found, fmt.Errorf("port %d, %s: got %d, %q", port, path, resp.StatusCode, body))
			} else {
				_, _ = fmt.Fprintln(out, "refused:", resp.StatusCode)
			}
		}
	}
	return errors.Join(found...)
}

func isDecoder(line string) bool { return strings.Contains(line, "\x00nut\x00") }

// commandLines returns those of all processes.
func commandLines() (lines []string) {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil {
			lines = append(lines, string(b))
		}
	}
	return lines
}

// socketInodes returns the inodes of this process's sockets.
func socketInodes(t *testing.T) (inodes []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		to, _ := os.Readlink(link)
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

// listening returns the ports of the sockets that listen (state 0A in /proc/net/tcp,
// whose second column is the address and tenth the inode).
func listening(inodes []string) (ports []int64, err error) {
	sockets, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(sockets)) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != "0A" || !slices.Contains(inodes, fields[9]) {
			continue
		}
		_, port, _ := strings.Cut(fields[1], ":")
		n, err := strconv.ParseInt(port, 16, 32)
		if err != nil {
			return nil, err
		}
		ports = append(ports, n)
	}
	return ports, nil
}
