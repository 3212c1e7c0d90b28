package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Services are the four services as programs, with a RabbitMQ of their own and
// the MongoDB at hand.
type Services struct {
	Gateways []string `json:"gateways"` // URLs

	cmd   *exec.Cmd
	alive io.Closer // while it is open they run
	err   strings.Builder
}

// Services builds the services and starts them, several gateways and converters,
// with their keys and logs in dir. They are ready when it returns.
func (b Bin) Services(ctx context.Context, dir string, gateways, converters int) (*Services, error) {
	if err := b.build(ctx,
		"github.com/soundextract/sx/server/cmd/auth",
		"github.com/soundextract/sx/server/cmd/gateway",
		"github.com/soundextract/sx/server/cmd/converter",
		"github.com/soundextract/sx/server/cmd/notifier",
		"github.com/soundextract/sx/server/testkit/devstack",
	); err != nil {
		return nil, err
	}
	// They outlive ctx, which is one test's, until End or this process ends.
	s := &Services{cmd: exec.CommandContext(context.WithoutCancel(ctx), b.Path("stack"), "-attached", "-bin", b.Dir, "-dir", dir,
		"-addr", "127.0.0.1:0", "-gateways", strconv.Itoa(gateways), "-converters", strconv.Itoa(converters))}
	s.cmd.Stderr = &s.err
	var err error
	if s.alive, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	// It says so when all is ready.
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("start the services: %w\n%s", s.cmd.Wait(), s.err.String())
	}
	raw, err := os.ReadFile(filepath.Join(dir, "stack.json"))
	if err == nil {
		err = json.Unmarshal(raw, s)
	}
	if err != nil {
		return nil, fmt.Errorf("find the services: %w", err)
	}
	return s, nil
}

// End ends the services in good order; an error says who did not.
func (s *Services) End() error {
	_ = s.alive.Close()
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("end the services: %w\n%s", err, s.err.String())
	}
	return nil
}
