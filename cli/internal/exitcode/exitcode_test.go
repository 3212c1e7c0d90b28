package exitcode_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/soundextract/sx/cli/internal/exitcode"
	"github.com/soundextract/sx/cli/internal/usage"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

func TestErrorsFindTheirExitCode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"typed wrong", usage.Errorf("a job's id is missing"), exitcode.Usage},
		{"no answer", &client.Unreachable{Server: "h", Err: context.DeadlineExceeded}, exitcode.Unreachable},
		{"deadline", fmt.Errorf("wait: %w", context.DeadlineExceeded), exitcode.TryAgain},
		{"signal", fmt.Errorf("wait: %w", context.Canceled), exitcode.Interrupted},
		{"bad file", fmt.Errorf("a.mp4: %w", sx.NewError(sx.CodeNotMedia, "no media")), exitcode.BadInput},
		{"signed out", sx.NewError(sx.CodeUnauthenticated, "who are you"), exitcode.NotAllowed},
		{"server starting", sx.NewError(sx.CodeUnavailable, "starting"), exitcode.Unreachable},
		{"disk full", sx.NewError(sx.CodeStorageFull, "full"), exitcode.TryAgain},
		{"conflict", sx.NewError(sx.CodeConflict, "done already"), exitcode.Failure},
		{"checks", sx.NewError(exitcode.CodeProblems, "the checks found 1 problem"), exitcode.Problems},
		{"unknown", errors.New("boom"), exitcode.Failure},
		{"unknown code", sx.NewError("from_the_future", "new"), exitcode.Failure},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := exitcode.Of(exitcode.Code(tt.err)); got != tt.want {
				t.Errorf("got exit code %d, want %d", got, tt.want)
			}
		})
	}
}

func TestEveryExitCodeIsExplained(t *testing.T) {
	t.Parallel()
	var explained []int
	for _, m := range exitcode.Table() {
		explained = append(explained, m.Code)
	}
	if !slices.IsSorted(explained) {
		t.Errorf("the table is not in ascending order: %v", explained)
	}
	for _, code := range sx.Codes() {
		if n := exitcode.Of(code); !slices.Contains(explained, n) {
			t.Errorf("code %s ends with %d, which the table does not explain", code, n)
		}
	}
}
