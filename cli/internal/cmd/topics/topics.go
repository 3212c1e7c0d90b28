// Package topics contains the help texts that belong to no command.
package topics

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
)

// New returns the topics, which are commands that have only help.
func New() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodes()},
		{Use: "environment", Short: "Environment variables and the config file", Long: environment()},
	}
}

func exitCodes() string {
	var b strings.Builder
	b.WriteString("sx exits with one of these codes:\n\n")
	for _, m := range cmdutil.ExitCodes() {
		_, _ = fmt.Fprintf(&b, "  %3d  %s\n", m.Code, m.Text)
	}
	b.WriteString(`
A command that processes several files or jobs continues after an error and
exits with the code of the first error. sx convert exits with 0 if all MP3s are
there, and with 65 if a file cannot be used or another one is in its MP3's place
and --force was not given.

With --json, an error is written to standard error as
  {"error":{"code":"…","message":"…","hint":"…"}}`)
	return b.String()
}

func environment() string {
	var b strings.Builder
	b.WriteString("A flag takes precedence over an environment variable, a variable over the config\n" +
		"file, and the file over the default. sx config shows where each value comes\n" +
		"from.\n\nVariables:\n")
	line := func(name, text string) { _, _ = fmt.Fprintf(&b, "  %-17s%s\n", name, text) }
	for _, s := range config.Settings() {
		text := s.Usage
		if s.Default != "" {
			text += fmt.Sprintf("\n%19s(default %s)", "", s.Default)
		}
		line(s.Env, text)
	}
	line(config.EnvFile, "path of the config file (default: config.yaml in\n"+
		strings.Repeat(" ", 19)+"soundextract/ of the user's config directory)")
	line("KUBECONFIG", "the kubeconfig that cluster commands use")
	line("NO_COLOR", "any value turns colours off")
	line("XDG_CONFIG_HOME", "location of the config directory (Linux)")
	line("XDG_STATE_HOME", "location of the state of unfinished transfers")
	line("XDG_DATA_HOME", "location of the local server's data")
	b.WriteString(`
The config file holds the same settings, and the contexts:

  context: local
  parallel: 4
  contexts:
    local:
      server: http://127.0.0.1:8740
    team:
      server: https://sound.example.com
    lab:                            # created by sx install: reached through a
      kubernetes:                   # port-forward
        kubeconfig: /home/anna/lab  # default: as kubectl
        context: lab
        namespace: soundextract
        release: soundextract

Cluster commands read the kubeconfig that KUBECONFIG names, or ~/.kube/config;
their flag --context selects a context of that file.`)
	return b.String()
}
