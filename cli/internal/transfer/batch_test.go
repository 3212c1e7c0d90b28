package transfer_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// items returns one item for each error, which may be nil.
func items(t *testing.T, errs ...error) (list []transfer.Item, started *atomic.Int32, errOut func() string) {
	t.Helper()
	streams, _, buffer := term.Test("")
	d := term.NewProgressDisplay(streams)
	t.Cleanup(d.Close)
	started = &atomic.Int32{}
	for i, err := range errs {
		name := string(rune('a'+i)) + ".mp4"
		list = append(list, transfer.Item{Name: name, Bar: d.Add(name, 0), Do: func(context.Context) error {
			started.Add(1)
			return err
		}})
	}
	return list, started, buffer.String
}

func TestBatch(t *testing.T) {
	t.Parallel()
	media := sx.NewError(sx.CodeNotMedia, "no media").WithHint("choose another")
	unreachable := &client.Unreachable{Server: "h", Err: errors.New("refused")}
	tests := []struct {
		name    string
		errs    []error
		want    string // error
		code    sx.Code
		started int32
		printed string
	}{
		{"nothing", nil, "", "", 0, ""},
		{"all well", []error{nil, nil}, "", "", 2, ""},
		{"the only one fails", []error{media}, "a.mp4: no media", sx.CodeNotMedia, 1, ""},
		{"one of several fails", []error{media, nil, nil}, "1 of 3 failed: a.mp4: no media", sx.CodeNotMedia, 3, "a.mp4: no media\n"},
		{"an error for all", []error{nil, unreachable, nil, nil}, "1 of 4 failed, 2 not started: b.mp4: no response from h: refused", sx.CodeUnreachable, 2, "b.mp4: no response"},
		{"a full server", []error{sx.NewError(sx.CodeStorageFull, "full"), nil}, "1 of 2 failed, 1 not started: a.mp4: full", sx.CodeStorageFull, 1, "a.mp4: full"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			list, started, errOut := items(t, tt.errs...)
			err := transfer.RunBatch(t.Context(), list, 1, nil)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want || sx.CodeOf(err) != tt.code {
				t.Errorf("got %q (%s), want %q (%s)", got, sx.CodeOf(err), tt.want, tt.code)
			}
			if started.Load() != tt.started {
				t.Errorf("%d were started, want %d", started.Load(), tt.started)
			}
			if !strings.HasPrefix(errOut(), tt.printed) || tt.printed == "" && errOut() != "" {
				t.Errorf("printed %q, want %q", errOut(), tt.printed)
			}
		})
	}
}

func TestBatchKeepsUnreachable(t *testing.T) {
	t.Parallel()
	list, _, _ := items(t, &client.Unreachable{Server: "h", Err: errors.New("refused")}, nil)
	var unreachable *client.Unreachable
	if err := transfer.RunBatch(t.Context(), list, 1, nil); !errors.As(err, &unreachable) {
		t.Errorf("%v hides that the server is unreachable", err)
	}
}

func TestParallelBatch(t *testing.T) {
	t.Parallel()
	list, _, _ := items(t, nil, nil, nil, nil)
	var now, most atomic.Int32
	both := make(chan struct{})
	for i := range list {
		list[i].Do = func(context.Context) error {
			if n := now.Add(1); n == 2 {
				most.Store(2)
				close(both)
			} else if n > 2 {
				most.Store(n)
			}
			<-both
			return nil
		}
	}
	list = list[:2]
	if err := transfer.RunBatch(t.Context(), list, 2, nil); err != nil || most.Load() != 2 {
		t.Errorf("%d at once, %v", most.Load(), err)
	}
}

func TestInterruptedBatch(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	list, started, errOut := items(t, nil, nil, nil)
	list[0].Do = func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	}
	if err := transfer.RunBatch(ctx, list, 1, nil); !errors.Is(err, context.Canceled) || started.Load() != 0 || errOut() != "" {
		t.Errorf("got %v after %d more were started, printed %q", err, started.Load(), errOut())
	}
}
