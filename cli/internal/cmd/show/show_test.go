package show_test

import (
	"context"
	"slices"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/show"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  show.Options
		wrong bool
	}{
		{"one", []string{"a"}, show.Options{IDs: []string{"a"}}, false},
		{"several as JSON", []string{"a", "--json", "b"}, show.Options{IDs: []string{"a", "b"}, JSON: true}, false},
		{"none", nil, show.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			var got *show.Options
			cmd := show.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *show.Options) error {
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
			if !slices.Equal(got.IDs, tt.want.IDs) || got.JSON != tt.want.JSON {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
		})
	}
}
