package show_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/show"
	"github.com/soundextract/sx/cli/internal/factory"
	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/cli/internal/usage"
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
			streams, _, _ := iostreams.Test("")
			var got *show.Options
			cmd := show.NewCmd(&factory.Factory{IO: streams}, func(_ context.Context, o *show.Options) error {
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
			if !slices.Equal(got.IDs, tt.want.IDs) || got.JSON != tt.want.JSON {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
		})
	}
}
