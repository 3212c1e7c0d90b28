package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestMain lets the test binary be the program that receives the signals.
func TestMain(m *testing.M) {
	if how := os.Getenv("HTTPSERVER_TEST_PROGRAM"); how != "" {
		os.Exit(program(how, os.Stdout, os.Stderr)) //nolint:forbidigo // here this is a main
	}
	m.Run()
}

func program(how string, stdout, stderr io.Writer) int {
	log, err := httpserver.NewLogger(stderr, "info", "json")
	if err != nil {
		return 99
	}
	return httpserver.Main(context.Background(), log, func(ctx context.Context) error {
		_, _ = fmt.Fprintln(stdout, "ready")
		<-ctx.Done()
		_, _ = fmt.Fprintln(stdout, "stopping")
		switch how {
		case "hangs":
			select {}
		case "fails":
			return errors.New("cannot save")
		case "returns ctx's error":
			return fmt.Errorf("wait: %w", ctx.Err())
		}
		return nil
	})
}

func TestSignals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		how    string
		first  os.Signal
		second os.Signal
		want   int
		log    string
	}{
		{"SIGTERM", "stops", syscall.SIGTERM, nil, 0, `"signal":"terminated"`},
		{"SIGINT", "stops", syscall.SIGINT, nil, 0, `"signal":"interrupt"`},
		{"ctx's error", "returns ctx's error", syscall.SIGTERM, nil, 0, "stopping"},
		{"an error while stopping", "fails", syscall.SIGTERM, nil, 1, "cannot save"},
		{"SIGINT twice", "hangs", syscall.SIGINT, syscall.SIGINT, 130, "second signal"},
		{"SIGINT then SIGTERM", "hangs", syscall.SIGINT, syscall.SIGTERM, 143, "second signal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), "HTTPSERVER_TEST_PROGRAM="+tt.how)
			var stderr testkit.LogBuffer
			cmd.Stderr = &stderr
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out := bufio.NewReader(stdout)
			for _, step := range []struct {
				say  string
				send os.Signal
			}{{"ready\n", tt.first}, {"stopping\n", tt.second}} {
				if line, err := out.ReadString('\n'); err != nil || line != step.say {
					t.Fatalf("got %q, error %v, want %q; log: %s", line, err, step.say, stderr.String())
				}
				if step.send != nil {
					if err := cmd.Process.Signal(step.send); err != nil {
						t.Fatal(err)
					}
				}
			}
			_, _ = io.Copy(io.Discard, out)
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tt.want {
				t.Errorf("got exit code %d, want %d", got, tt.want)
			}
			if !strings.Contains(stderr.String(), tt.log) {
				t.Errorf("got log %q, want %q in it", stderr.String(), tt.log)
			}
		})
	}
}

func TestMainWithoutSignals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		input error
		want  int
		log   string
	}{
		{"done", nil, 0, ""},
		{"error", errors.New("port in use"), 1, `"error":"port in use"`},
		{"error with a hint", sx.NewError(sx.CodeInvalid, "bad directory").WithHint("choose another"), 1, `"hint":"choose another"`},
		{"an error of another ctx", context.Canceled, 1, "canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log, out := newLog(t, "info")
			got := httpserver.Main(t.Context(), log, func(context.Context) error { return tt.input })
			if got != tt.want || !strings.Contains(out.String(), tt.log) {
				t.Fatalf("got %d, log %s", got, out.String())
			}
		})
	}
}
