package completion_test

import (
	"context"
	"errors"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/completion"
	"github.com/soundextract/sx/cli/internal/factory"
	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/cli/internal/usage"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  completion.Options
		wrong bool
	}{
		{"bash", []string{"bash"}, completion.Options{Shell: "bash"}, false},
		{"unknown shell", []string{"tcsh"}, completion.Options{}, true},
		{"none", nil, completion.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := iostreams.Test("")
			var got *completion.Options
			cmd := completion.NewCmd(&factory.Factory{IO: streams}, func(_ context.Context, o *completion.Options) error {
				got = o
				return nil
			})
			cmd.SetArgs(tt.args)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			err := cmd.ExecuteContext(t.Context())
			var typed *usage.Error
			if tt.wrong {
				if !errors.As(err, &typed) || got != nil {
					t.Errorf("got %v, want a usage error", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Shell != tt.want.Shell {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
		})
	}
}
