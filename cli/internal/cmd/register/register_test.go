package register_test

import (
	"context"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/register"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  register.Options
		wrong bool
	}{
		{"none", nil, register.Options{}, false},
		{"name and input", []string{"anna", "--password-stdin", "--json"}, register.Options{Name: "anna", PasswordStdin: true, JSON: true}, false},
		{"invitation", []string{"anna", "--invitation"}, register.Options{Name: "anna", Invitation: true}, false},
		{"a code on the command line", []string{"anna", "--invitation", "sxi_x"}, register.Options{}, true},
		{"two names", []string{"a", "b"}, register.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			var got *register.Options
			cmd := register.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *register.Options) error {
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
