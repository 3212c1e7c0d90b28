package logout_test

import (
	"context"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/logout"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  logout.Options
		wrong bool
	}{
		{"none", nil, logout.Options{}, false},
		{"JSON", []string{"--json"}, logout.Options{JSON: true}, false},
		{"account", []string{"a"}, logout.Options{Name: "a"}, false},
		{"two accounts", []string{"a", "b"}, logout.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			var got *logout.Options
			cmd := logout.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *logout.Options) error {
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
