package cmdutil_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// IDs are used as they are, without a request.
const idA, idB, idC = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"

func TestEach(t *testing.T) {
	t.Parallel()
	missing := sx.NewError(sx.CodeNotFound, "job not found")
	tests := []struct {
		name  string
		errs  map[string]error
		calls []string
		want  string
	}{
		{"all well", nil, []string{idA, idB, idC}, ""},
		{"goes on", map[string]error{idA: missing, idC: missing}, []string{idA, idB, idC}, idA + ": job not found\n" + idC + ": job not found"},
		{"signed out", map[string]error{idB: sx.NewError(sx.CodeSessionEnded, "over")}, []string{idA, idB}, "over"},
		{
			"server unreachable",
			map[string]error{idA: missing, idB: &client.Unreachable{Server: "h", Err: errors.New("x")}},
			[]string{idA, idB},
			idA + ": job not found\nno response from h: x",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var calls []string
			err := cmdutil.EachJob(t.Context(), nil, []string{idA, idB, idA, idC}, func(id string) error {
				calls = append(calls, id)
				return tt.errs[id]
			})
			if !slices.Equal(calls, tt.calls) {
				t.Errorf("called for %v, want %v", calls, tt.calls)
			}
			if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestEachEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := cmdutil.EachJob(ctx, nil, []string{idA, idB}, func(string) error {
		calls++
		cancel()
		return ctx.Err()
	})
	if calls != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d calls, %v", calls, err)
	}
}
