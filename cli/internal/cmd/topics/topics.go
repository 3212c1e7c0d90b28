// Package topics holds the help texts that belong to no command.
package topics

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
)

// New makes the topics; each is a command that only its help can be asked of.
func New() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodes()},
		{Use: "environment", Short: "Variables and the config file", Long: environment()},
	}
}

func exitCodes() string {
	var b strings.Builder
	b.WriteString("sx ends with one of these codes:\n\n")
	for _, m := range cmdutil.ExitCodes() {
		_, _ = fmt.Fprintf(&b, "  %3d  %s\n", m.Code, m.Text)
	}
	b.WriteString(`
A command that works through several files or jobs goes on after an error, and
ends with the code of the first one.

With --json an error is printed to the error output as
  {"error":{"code":"…","message":"…","hint":"…"}}`)
	return b.String()
}

func environment() string {
	var b strings.Builder
	b.WriteString("A flag wins over a variable, a variable over the config file, the file over the\n" +
		"default. sx config shows where each value came from.\n\nVariables:\n")
	line := func(name, text string) { _, _ = fmt.Fprintf(&b, "  %-17s%s\n", name, text) }
	for _, s := range config.Settings() {
		text := s.Usage
		if s.Default != "" {
			text += fmt.Sprintf("\n%19s(default %s)", "", s.Default)
		}
		line(s.Env, text)
	}
	line(config.EnvFile, "the config file, instead of config.yaml in the folder\n"+
		strings.Repeat(" ", 19)+"soundextract of the user's config folder")
	line("KUBECONFIG", "the kubeconfig of the commands for clusters")
	line("NO_COLOR", "any value switches colours off")
	line("XDG_CONFIG_HOME", "where the config folder is (Linux)")
	line("XDG_STATE_HOME", "where unfinished transfers are remembered")
	line("XDG_DATA_HOME", "where sx up keeps the local server's data")
	b.WriteString(`
The config file holds the same settings, and the contexts:

  context: local
  parallel: 4
  contexts:
    local:
      server: http://127.0.0.1:8740
    team:
      server: https://sound.example.com
    lab:                            # as sx install makes it: reached through
      kubernetes:                   # the cluster, by a port-forward
        kubeconfig: /home/anna/lab  # where kubectl looks, if left out
        context: lab
        namespace: soundextract
        release: soundextract

The commands for clusters read the kubeconfig that KUBECONFIG names, else
~/.kube/config; their flag --context is a context of that file.`)
	return b.String()
}
