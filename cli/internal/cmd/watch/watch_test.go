package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/watch"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// reactor is an output that calls react for each write.
type reactor struct {
	io.Writer
	react func(line string)
}

func (r reactor) Write(p []byte) (int, error) {
	r.react(string(p))
	return r.Writer.Write(p)
}

func run(ctx context.Context, t *testing.T, server *gateway.Server, tty bool, react func(string), args ...string) (stdout, stderr string, err error) {
	t.Helper()
	streams, out, errOut := term.Test("")
	streams.OutTTY, streams.ErrTTY = tty, tty
	if react != nil {
		streams.Out, streams.ErrOut = reactor{out, react}, reactor{errOut, react}
	}
	cmd := watch.NewCmd(&cmdutil.Factory{
		IO: streams,
		Config: func() (*config.Config, error) {
			return &config.Config{Account: "here", RetryTimeout: 20 * time.Second}, nil
		},
		Client: func() (*client.Client, error) { return server.Client(t), nil },
	}, nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(ctx)
	return out.String(), errOut.String(), err
}

func fail(server *gateway.Server, id string) {
	server.Change(id, func(j *sx.Job) { j.State, j.Error = sx.StateFailed, sx.NewError(sx.CodeNoAudio, "there is no sound") })
}

func TestNothingToWatch(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	server.Add("talk.mp4", sx.StateDone, nil)
	out, errOut, err := run(t.Context(), t, server, false, nil)
	if err != nil || out != "" || errOut != "no unfinished jobs\n" {
		t.Errorf("printed %q and %q: %v", out, errOut, err)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	id := server.Add("talk.mp4", sx.StateQueued, nil)
	out, _, err := run(t.Context(), t, server, false, func(line string) {
		switch {
		case strings.Contains(line, "queued"):
			server.Change(id, func(j *sx.Job) { j.State, j.Progress = sx.StateRunning, 41.7 })
		case strings.Contains(line, "running"):
			server.Finish(id, []byte("sound"))
		}
	})
	want := fmt.Sprintf("%[1]s\tqueued\t0%%\ttalk.mp4\n%[1]s\trunning\t41%%\ttalk.mp4\n%[1]s\tdone\t100%%\ttalk.mp4\n", id)
	if err != nil || out != want {
		t.Errorf("got %q, want %q: %v", out, want, err)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	id := server.Add("talk.mp4", sx.StateQueued, nil)
	out, _, err := run(t.Context(), t, server, false, func(line string) {
		if strings.Contains(line, "queued") {
			server.Finish(id, []byte("sound"))
		}
	}, "--json", id)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for line := range strings.Lines(out) {
		var job api.Job
		if err := json.Unmarshal([]byte(line), &job); err != nil || job.ID != id {
			t.Errorf("%q: %v", line, err)
		}
		states = append(states, string(job.State))
	}
	if got := strings.Join(states, " "); got != "queued done" {
		t.Errorf("got %s", got)
	}
}

// TestJSONThatCannotBePrinted checks that success is not reported if nothing was printed.
func TestJSONThatCannotBePrinted(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	id := server.Add("talk.mp4", sx.StateDone, []byte("sound"))
	streams, _, _ := term.Test("")
	streams.Filter = func([]byte) ([]byte, error) { return nil, sx.NewError(sx.CodeInvalid, "--jq: not a number") }
	cmd := watch.NewCmd(&cmdutil.Factory{
		IO: streams,
		Config: func() (*config.Config, error) {
			return &config.Config{Account: "here", RetryTimeout: 20 * time.Second}, nil
		},
		Client: func() (*client.Client, error) { return server.Client(t), nil },
	}, nil)
	if err := clitest.Run(t, cmd, id, "--json"); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("ended with %v", err)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	id := server.Add("talk.mp4", sx.StateDone, []byte("sound"))
	server.Change(id, func(j *sx.Job) { j.Warnings = []sx.Warning{sx.NewWarning(sx.WarningTags, "the cover is lost")} })
	for _, tt := range []struct {
		tty  bool
		args []string
		line bool // on the error stream
	}{{false, nil, true}, {true, nil, true}, {false, []string{"--json"}, false}} {
		out, errOut, err := run(t.Context(), t, server, tt.tty, nil, append(tt.args, id)...)
		if n := strings.Count(errOut, "talk.mp4: warning: the cover is lost\n"); err != nil || (n == 1) != tt.line || n > 1 {
			t.Errorf("%v on a terminal: %t: printed %q: %v", tt.args, tt.tty, errOut, err)
		}
		if tt.line == strings.Contains(out, `"warnings":[{"code":"tags","message":"the cover is lost"}]`) {
			t.Errorf("%v: printed %q", tt.args, out)
		}
	}
}

func TestBars(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	good, bad := server.Add("good.mp4", sx.StateDone, []byte("x")), server.Add("bad.mp4", sx.StateQueued, nil)
	fail(server, bad)
	out, errOut, err := run(t.Context(), t, server, true, nil, good, bad, "nosuchjob")
	for _, want := range []string{
		"bad.mp4: there is no sound\n  check the recording", "job nosuchjob not found",
		"good.mp4   done", "bad.mp4    failed", "1 done, 2 failed",
	} {
		if !strings.Contains(errOut, want) {
			t.Errorf("%q is not in %q", want, errOut)
		}
	}
	if out != "" {
		t.Errorf("results: %q", out)
	}
	if known := sx.AsError(err); !strings.HasPrefix(known.Message, "2 jobs failed; the first: ") {
		t.Errorf("got %+v", known)
	}
}

func TestHowItEnds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		end   func(*gateway.Server, string)
		want  string
		wants int
	}{
		{"failed", fail, "talk.mp4: there is no sound", sx.ExitFailure},
		{"cancelled", func(s *gateway.Server, id string) {
			s.Change(id, func(j *sx.Job) { j.State = sx.StateCancelled })
		}, "talk.mp4: the job is cancelled", sx.ExitFailure},
		{"removed", func(s *gateway.Server, id string) { s.Forget(id) }, "job ID not found", sx.ExitBadInput},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := gateway.New(t)
			id := server.Add("talk.mp4", sx.StateQueued, nil)
			_, errOut, err := run(t.Context(), t, server, false, func(string) { tt.end(server, id) }, id)
			known := sx.AsError(err)
			if strings.Contains(errOut, known.Message) {
				t.Errorf("what the error says is said twice: %q", errOut)
			}
			if !strings.HasPrefix(strings.ReplaceAll(known.Message, id, "ID"), tt.want) || known.Hint == "" || known.Code.ExitCode() != tt.wants {
				t.Errorf("got %+v", known)
			}
		})
	}
}

// TestCancelledIsNotFailed checks that a cancelled job is reported once, as cancelled.
func TestCancelledIsNotFailed(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	good, stopped := server.Add("good.mp4", sx.StateDone, []byte("x")), server.Add("stopped.mp4", sx.StateCancelled, nil)
	_, errOut, err := run(t.Context(), t, server, true, nil, good, stopped)
	if !strings.Contains(errOut, "stopped.mp4") || !strings.Contains(errOut, "cancelled") || strings.Contains(errOut, "failed") {
		t.Errorf("printed %q", errOut)
	}
	if known := sx.AsError(err); known.Message != "1 job was cancelled" || known.Code.ExitCode() != sx.ExitFailure {
		t.Errorf("got %+v", known)
	}
	_, errOut, err = run(t.Context(), t, server, true, nil, "stopped.mp4")
	if known := sx.AsError(err); strings.Contains(errOut, "failed") || known.Message != "stopped.mp4: the job is cancelled" {
		t.Errorf("printed %q, %+v", errOut, known)
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	id := server.Add("talk.mp4", sx.StateQueued, nil)
	ctx, cancel := context.WithCancel(t.Context())
	if _, _, err := run(ctx, t, server, false, func(string) { cancel() }, id); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if server.Jobs()[0].State != sx.StateQueued {
		t.Error("the job was changed")
	}
}

// TestStoppedBars checks that Ctrl-C leaves the bars of finished jobs on the screen and
// removes the others.
func TestStoppedBars(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	good, busy := server.Add("good.mp4", sx.StateDone, []byte("x")), server.Add("busy.mp4", sx.StateQueued, nil)
	ctx, cancel := context.WithCancel(t.Context())
	_, errOut, err := run(ctx, t, server, true, func(line string) {
		if strings.Contains(line, "done") && strings.Contains(line, "queued") {
			cancel()
		}
	}, good, busy)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// The last painting of both bars is replaced by one of the first bar alone.
	last := errOut[strings.LastIndex(errOut, "busy.mp4"):]
	if want := "\r\x1b[2Agood.mp4  done\x1b[K\x1b[J"; !strings.Contains(last, want) {
		t.Errorf("%q is not in %q", want, last)
	}
}

func TestNobodySignedIn(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	server.Before = func(w http.ResponseWriter, _ *http.Request) bool {
		api.WriteError(w, sx.NewError(sx.CodeUnauthenticated, "who are you"))
		return true
	}
	if _, _, err := run(t.Context(), t, server, false, nil); sx.CodeOf(err) != sx.CodeUnauthenticated {
		t.Errorf("got %v", err)
	}
}
