package whoami_test

import (
	"context"
	"errors"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/whoami"
	"github.com/soundextract/sx/cli/internal/factory"
	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/cli/internal/usage"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  whoami.Options
		wrong bool
	}{
		{"none", nil, whoami.Options{}, false},
		{"JSON", []string{"--json"}, whoami.Options{JSON: true}, false},
		{"argument", []string{"a"}, whoami.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := iostreams.Test("")
			var got *whoami.Options
			cmd := whoami.NewCmd(&factory.Factory{IO: streams}, func(_ context.Context, o *whoami.Options) error {
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
			if got.JSON != tt.want.JSON {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
		})
	}
}
