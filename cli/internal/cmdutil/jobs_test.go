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

func TestEach(t *testing.T) {
	t.Parallel()
	missing := sx.NewError(sx.CodeNotFound, "job not found")
	tests := []struct {
		name  string
		errs  map[string]error
		calls []string
		want  string
	}{
		{"all well", nil, []string{"a", "b", "c"}, ""},
		{"goes on", map[string]error{"a": missing, "c": missing}, []string{"a", "b", "c"}, "a: job not found\nc: job not found"},
		{"signed out", map[string]error{"b": sx.NewError(sx.CodeSessionEnded, "over")}, []string{"a", "b"}, "over"},
		{
			"server unreachable",
			map[string]error{"a": missing, "b": &client.Unreachable{Server: "h", Err: errors.New("x")}},
			[]string{"a", "b"},
			"a: job not found\nno response from h: x",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var calls []string
			err := cmdutil.EachJob(t.Context(), []string{"a", "b", "a", "c"}, func(id string) error {
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
	err := cmdutil.EachJob(ctx, []string{"a", "b"}, func(string) error {
		calls++
		cancel()
		return ctx.Err()
	})
	if calls != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d calls, %v", calls, err)
	}
}
