package login_test

import (
	"context"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/login"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  login.Options
		wrong bool
	}{
		{"none", nil, login.Options{}, false},
		{"name and input", []string{"anna", "--password-stdin", "--json"}, login.Options{Name: "anna", PasswordStdin: true, JSON: true}, false},
		{"code", []string{"--code", "sxr_x"}, login.Options{Code: "sxr_x"}, false},
		{"code and name", []string{"anna", "--code", "sxr_x"}, login.Options{}, true},
		{"two names", []string{"a", "b"}, login.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			var got *login.Options
			cmd := login.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *login.Options) error {
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
