package passwd_test

import (
	"context"
	"errors"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/passwd"
	"github.com/soundextract/sx/cli/internal/factory"
	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/cli/internal/usage"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  passwd.Options
		wrong bool
	}{
		{"none", nil, passwd.Options{}, false},
		{"input", []string{"--password-stdin", "--json"}, passwd.Options{PasswordStdin: true, JSON: true}, false},
		{"a name", []string{"anna"}, passwd.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := iostreams.Test("")
			var got *passwd.Options
			cmd := passwd.NewCmd(&factory.Factory{IO: streams}, func(_ context.Context, o *passwd.Options) error {
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
			if got.PasswordStdin != tt.want.PasswordStdin || got.JSON != tt.want.JSON {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
		})
	}
}
