package jobs_test

import (
	"context"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/jobs"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  jobs.Options
		wrong bool
	}{
		{"none", nil, jobs.Options{Page: cmdutil.Page{Limit: 30}}, false},
		{"filters", []string{"--state", "failed", "--state", "done", "--name", "x", "--label", "a b", "--label", "c", "--limit", "5", "--after", "m", "--json"}, jobs.Options{States: []string{"failed", "done"}, Name: "x", Labels: []string{"a b", "c"}, Page: cmdutil.Page{Limit: 5, After: "m"}, JSON: true}, false},
		{"states with a comma", []string{"--state", "failed,done", "--all"}, jobs.Options{States: []string{"failed", "done"}, Page: cmdutil.Page{Limit: 30, All: true}}, false},
		{"unknown state", []string{"--state", "dne"}, jobs.Options{}, true},
		{"no limit", []string{"--limit", "0"}, jobs.Options{}, true},
		{"all and limit", []string{"--all", "--limit", "5"}, jobs.Options{}, true},
		{"argument", []string{"a"}, jobs.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			var got *jobs.Options
			cmd := jobs.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *jobs.Options) error {
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
