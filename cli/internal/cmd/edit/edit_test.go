package edit_test

import (
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/edit"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	clitest.CheckFlags(t, edit.NewCmd, edit.Options{IDs: []string{"a", "b"}, Edit: api.JobEdit{Title: text("T")}}, "a", "b", "--title", "T")
	clitest.CheckFlags(t, edit.NewCmd, edit.Options{IDs: []string{"a"}, Edit: api.JobEdit{Artist: text(""), Album: text("A")}, JSON: true},
		"a", "--artist", "", "--album=A", "--json")
	clitest.CheckFlags(t, edit.NewCmd, edit.Options{
		IDs: []string{"a"}, Edit: api.JobEdit{AddLabels: []string{"x", "y"}, RemoveLabels: []string{"z"}},
	}, "a", "--label", "x", "--label", "+y", "--label", "-z", "--label", "x")
	for code, args := range map[string][][]string{
		string(sx.CodeUsage):   {{"a"}, {"--title", "T"}, {"a", "--json"}, {"a", "--number", "2"}, {"a", "--number", "0", "--title", "T"}},
		string(sx.CodeInvalid): {{"a", "--label", "b,c"}, {"a", "--label", ""}},
	} {
		for _, a := range args {
			if err := clitest.Run(t, edit.NewCmd(clitest.Factory(), nil), a...); string(cmdutil.ErrorCode(err)) != code {
				t.Errorf("%q: got %v, want code %s", a, err, code)
			}
		}
	}
}
