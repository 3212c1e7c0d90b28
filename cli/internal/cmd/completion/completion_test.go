package completion_test

import (
	"context"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/completion"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
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
			streams, _, _ := term.Test("")
			var got *completion.Options
			cmd := completion.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *completion.Options) error {
				got = o
				return nil
			})
			cmd.SetArgs(tt.args)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			err := cmd.ExecuteContext(t.Context())
			if tt.wrong {
				if cmdutil.ErrorCode(err) != sx.CodeUsage || got != nil {
					t.Errorf("got %v, want a usage error", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := clitest.DiffOptions(tt.want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
