package rm_test

import (
	"context"
	"slices"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/rm"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  rm.Options
		wrong bool
	}{
		{"one", []string{"a"}, rm.Options{IDs: []string{"a"}}, false},
		{"without asking", []string{"-y", "a", "b", "--json"}, rm.Options{IDs: []string{"a", "b"}, Yes: true, JSON: true}, false},
		{"none", []string{"--yes"}, rm.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			var got *rm.Options
			cmd := rm.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *rm.Options) error {
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
			if !slices.Equal(got.IDs, tt.want.IDs) || got.Yes != tt.want.Yes || got.JSON != tt.want.JSON {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
		})
	}
}
