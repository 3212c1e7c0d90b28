package localserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Find looks for sxd next to the running program, with symbolic links resolved,
// then in PATH.
func Find() (string, error) {
	if self, err := os.Executable(); err == nil {
		if target, err := filepath.EvalSymlinks(self); err == nil {
			self = target
		}
		beside := filepath.Join(filepath.Dir(self), program)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", sx.NewError(sx.CodeInvalid, "%s, the local server, not found", program).WithCause(err).
			WithHint("put %s next to sx, or in a directory of PATH", program)
	}
	return path, nil
}

// Options are the options of Start.
type Options struct {
	Program  string // sxd's path
	Addr     string // host:port; port 0 is a free one
	Dir      string // the data directory; created if missing
	Detached bool   // the server outlives sx and the terminal

	Settings map[string]string // flags of sxd, by name; see api.LocalSettings
	// Password becomes the password of the owner's account if that has none; "" is none.
	Password string
}

// Server is a server that Start started and that is ready.
type Server struct {
	Instance
	dir     string
	process *os.Process
	log     logMark
	ended   chan struct{} // closed when the process has exited
	how     error         // then: the result of waiting for the process
}

// startTimeout is how long a server may take to become ready.
const startTimeout = 30 * time.Second

// Start starts sxd and waits until it is ready. If sxd exits instead, the error says
// why; if it does not become ready in time, it is stopped.
func Start(ctx context.Context, o Options) (*Server, error) {
	return start(ctx, o, startTimeout)
}

func start(ctx context.Context, o Options, timeout time.Duration) (*Server, error) {
	if err := createDir(o.Dir); err != nil {
		return nil, err
	}
	log, mark, err := openLog(o.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	// Not CommandContext, which would kill the server instead of stopping it.
	cmd := exec.Command(o.Program, o.args()...) //nolint:noctx // see above
	if o.Password != "" {
		cmd.Stdin = strings.NewReader(o.Password)
	}
	cmd.Stdout, cmd.Stderr = log, log
	own(cmd, o.Detached)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Program, err)
	}
	s := &Server{dir: o.Dir, process: cmd.Process, log: mark, ended: make(chan struct{})}
	go func() {
		s.how = cmd.Wait()
		close(s.ended)
	}()
	if err := s.awaitReady(ctx, timeout); err != nil {
		return nil, err
	}
	return s, nil
}

// args returns the arguments of sxd.
func (o *Options) args() []string {
	args := []string{"--addr", o.Addr, "--data", o.Dir}
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		args = append(args, "--"+name+"="+o.Settings[name])
	}
	if o.Password != "" {
		args = append(args, "--owner-password-file", "-")
	}
	return args
}

func (s *Server) awaitReady(parent context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	died := false
	err := until(ctx, func() bool {
		select {
		case <-s.ended:
			died = true
			return true
		default:
		}
		in := Recorded(s.dir)
		if in == nil || in.PID != s.process.Pid { // of an earlier server
			return false
		}
		s.Instance = *in
		return ready(ctx, in)
	})
	switch {
	case died:
		return s.exitError()
	case err == nil:
		return nil
	}
	_ = terminate(s.process)
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
	}
	if parent.Err() != nil {
		return parent.Err()
	}
	return fmt.Errorf("the local server was not ready after %s; the end of its log, %s:\n%s: %w",
		timeout, LogPath(s.dir), s.log.tail(), context.DeadlineExceeded)
}

func ready(ctx context.Context, in *Instance) bool {
	c, err := newClient(in.URL)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	h, err := c.Ready(ctx)
	return err == nil && h.Instance == in.Instance
}

// exitError returns why the server exited before it was ready, with the error that it
// logged if there is one.
func (s *Server) exitError() error {
	if e := s.log.lastError(); e != nil {
		code := sx.CodeUnavailable
		if e.Code == sx.CodeUnauthenticated || e.Code == sx.CodeStoredFormat { // see PasswordRequired
			code = e.Code
		}
		return sx.NewError(code, "the local server did not start: %s", e.Error).
			WithHint("%s", e.Hint).WithCause(s.how)
	}
	message := "the local server exited immediately"
	if output := s.log.tail(); output != "" {
		message += "; its output:\n  " + strings.ReplaceAll(output, "\n", "\n  ")
	}
	return sx.NewError(sx.CodeUnavailable, "%s", message).
		WithHint("see its log: %s", LogPath(s.dir)).WithCause(s.how)
}

// Wait waits for the server to exit. If ctx ends first, Wait stops the server; a
// graceful shutdown is not an error.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-s.ended:
		return s.crash()
	case <-ctx.Done():
	}
	if err := terminate(s.process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the local server: %w", err)
	}
	<-s.ended
	if !asksFirst {
		return nil
	}
	return s.crash()
}

// crash returns nil if the server shut down gracefully, as after sx down.
func (s *Server) crash() error {
	if s.how == nil {
		return nil
	}
	return sx.NewError(sx.CodeUnavailable, "the local server exited: %s", s.how).WithCause(s.how).
		WithHint("nothing is lost; start it again with: sx up; its log is %s", LogPath(s.dir))
}

// Stop stops a server that was just started, because of the given error.
func (s *Server) Stop(ctx context.Context, because error) error {
	return errors.Join(because, Stop(context.WithoutCancel(ctx), s.dir, &s.Instance))
}
