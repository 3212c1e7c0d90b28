package cmdutil_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmdutil"
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
		{"typed wrong", cmdutil.UsageErrorf("job ID required"), sx.ExitUsage},
		{"no answer", &client.Unreachable{Server: "h", Err: context.DeadlineExceeded}, sx.ExitUnreachable},
		{"deadline", fmt.Errorf("wait: %w", context.DeadlineExceeded), sx.ExitTryAgain},
		{"signal", fmt.Errorf("wait: %w", context.Canceled), sx.ExitInterrupted},
		{"bad file", fmt.Errorf("a.mp4: %w", sx.NewError(sx.CodeNotMedia, "no media")), sx.ExitBadInput},
		{"signed out", sx.NewError(sx.CodeUnauthenticated, "who are you"), sx.ExitNotAllowed},
		{"server starting", sx.NewError(sx.CodeUnavailable, "starting"), sx.ExitUnreachable},
		{"disk full", sx.NewError(sx.CodeStorageFull, "full"), sx.ExitTryAgain},
		{"conflict", sx.NewError(sx.CodeConflict, "done already"), sx.ExitFailure},
		{"checks", sx.NewError(sx.CodeProblems, "the checks found 1 problem"), sx.ExitProblems},
		{"unknown", errors.New("boom"), sx.ExitFailure},
		{"unknown code", sx.NewError("from_the_future", "new"), sx.ExitFailure},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := cmdutil.ErrorCode(tt.err).ExitCode(); got != tt.want {
				t.Errorf("got exit code %d, want %d", got, tt.want)
			}
		})
	}
}

func TestEveryExitCodeIsExplained(t *testing.T) {
	t.Parallel()
	var explained []int
	for _, m := range cmdutil.ExitCodes() {
		explained = append(explained, m.Code)
	}
	if !slices.IsSorted(explained) {
		t.Errorf("the table is not in ascending order: %v", explained)
	}
	for _, code := range sx.Codes() {
		if n := code.ExitCode(); !slices.Contains(explained, n) {
			t.Errorf("code %s ends with %d, which the table does not explain", code, n)
		}
	}
}
