package up_test

import (
	"context"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/up"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  up.Options
		wrong bool
	}{
		{"none", nil, up.Options{}, false},
		{"all", []string{"--addr", "127.0.0.1:0", "--data", "d", "-d", "--json"}, up.Options{Addr: "127.0.0.1:0", Data: "d", Detach: true, JSON: true}, false},
		{"address without port", []string{"--addr", "127.0.0.1"}, up.Options{}, true},
		{"argument", []string{"local"}, up.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			var got *up.Options
			cmd := up.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *up.Options) error {
				got = o
				return nil
			})
			cmd.SetArgs(tt.args)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			err := cmd.ExecuteContext(t.Context())
			if tt.wrong {
				if cmdutil.ErrorCode(err) != sx.CodeUsage {
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
