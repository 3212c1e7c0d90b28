package completion_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/completion"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		want  completion.Options
		wrong bool
	}{
		{"bash", []string{"bash"}, completion.Options{Shell: "bash"}, false},
		{"unknown shell", []string{"tcsh"}, completion.Options{}, true},
		{"none", nil, completion.Options{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			var got *completion.Options
			cmd := completion.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *completion.Options) error {
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

// TestBashAlone runs the script in a bash without the package bash-completion.
func TestBashAlone(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "bash")
	root := &cobra.Command{Use: "sx"}
	var script bytes.Buffer
	if err := completion.Write(&script, root, "bash"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ words, asked, want string }{
		{"sx con", "__complete con", "convert config "},
		{"sx convert --preset = sp", "__complete convert --preset=sp", "speech "},
		{"sx --server http : //127.0.0.1 con", "__complete --server http://127.0.0.1 con", "convert config "},
	} {
		// The function sx stands for the program.
		program := `
sx() {
    echo "$*" >&3
    case "$*" in
    *preset*) printf 'speech\tmono\n:4\n' ;;
    *) printf 'convert\nconfig\n:4\n' ;;
    esac
}
COMP_WORDS=(` + tt.words + `)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_TYPE=9
compopt() { :; }
__start_sx
printf '%s ' "${COMPREPLY[@]}"
`
		asked, err := os.Create(filepath.Join(t.TempDir(), "asked"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-c", script.String()+program)
		cmd.ExtraFiles = []*os.File{asked}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || string(out) != tt.want || stderr.Len() > 0 {
			t.Errorf("%s: got %q, %v; %s", tt.words, out, err, &stderr)
		}
		if got, _ := os.ReadFile(asked.Name()); strings.TrimSpace(string(got)) != tt.asked {
			t.Errorf("%s: asked for %s", tt.words, got)
		}
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	for shell, want := range map[string]string{"bash": "complete -o default", "zsh": "#compdef sx", "fish": "complete -c sx", "powershell": "Register-ArgumentCompleter"} {
		streams, out, _ := term.Test("")
		cmd := completion.NewCmd(&cmdutil.Factory{IO: streams}, nil)
		root := &cobra.Command{Use: "sx"}
		root.AddCommand(cmd)
		if err := clitest.Run(t, root, "completion", shell); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v, %d bytes", shell, err, out.Len())
		}
	}
}
