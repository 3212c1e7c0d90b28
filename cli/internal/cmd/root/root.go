// Package root assembles the commands of sx.
package root

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/cmd/account"
	"github.com/soundextract/sx/cli/internal/cmd/admin"
	"github.com/soundextract/sx/cli/internal/cmd/auth"
	"github.com/soundextract/sx/cli/internal/cmd/backup"
	"github.com/soundextract/sx/cli/internal/cmd/cancel"
	"github.com/soundextract/sx/cli/internal/cmd/completion"
	"github.com/soundextract/sx/cli/internal/cmd/configcmd"
	"github.com/soundextract/sx/cli/internal/cmd/convert"
	"github.com/soundextract/sx/cli/internal/cmd/diff"
	"github.com/soundextract/sx/cli/internal/cmd/doctor"
	"github.com/soundextract/sx/cli/internal/cmd/down"
	"github.com/soundextract/sx/cli/internal/cmd/download"
	"github.com/soundextract/sx/cli/internal/cmd/edit"
	"github.com/soundextract/sx/cli/internal/cmd/feed"
	"github.com/soundextract/sx/cli/internal/cmd/history"
	"github.com/soundextract/sx/cli/internal/cmd/images"
	"github.com/soundextract/sx/cli/internal/cmd/install"
	"github.com/soundextract/sx/cli/internal/cmd/jobs"
	"github.com/soundextract/sx/cli/internal/cmd/login"
	"github.com/soundextract/sx/cli/internal/cmd/logout"
	"github.com/soundextract/sx/cli/internal/cmd/logs"
	"github.com/soundextract/sx/cli/internal/cmd/notify"
	"github.com/soundextract/sx/cli/internal/cmd/open"
	"github.com/soundextract/sx/cli/internal/cmd/passwd"
	"github.com/soundextract/sx/cli/internal/cmd/register"
	"github.com/soundextract/sx/cli/internal/cmd/retry"
	"github.com/soundextract/sx/cli/internal/cmd/rm"
	"github.com/soundextract/sx/cli/internal/cmd/rollback"
	"github.com/soundextract/sx/cli/internal/cmd/secrets"
	"github.com/soundextract/sx/cli/internal/cmd/service"
	"github.com/soundextract/sx/cli/internal/cmd/share"
	"github.com/soundextract/sx/cli/internal/cmd/show"
	"github.com/soundextract/sx/cli/internal/cmd/status"
	"github.com/soundextract/sx/cli/internal/cmd/supportbundle"
	"github.com/soundextract/sx/cli/internal/cmd/token"
	"github.com/soundextract/sx/cli/internal/cmd/topics"
	"github.com/soundextract/sx/cli/internal/cmd/uninstall"
	"github.com/soundextract/sx/cli/internal/cmd/up"
	"github.com/soundextract/sx/cli/internal/cmd/upload"
	"github.com/soundextract/sx/cli/internal/cmd/values"
	"github.com/soundextract/sx/cli/internal/cmd/version"
	"github.com/soundextract/sx/cli/internal/cmd/watch"
	"github.com/soundextract/sx/cli/internal/cmd/whoami"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/sx"
)

// onInterrupt is the annotation with the consequence of interrupting a command.
const onInterrupt = "on-interrupt"

// startsServer is the annotation of commands that offer to start the local server.
const startsServer = "starts-server"

// New returns the command sx with all others below it. bind is called with the flags
// of the command before that is run.
func New(f *cmdutil.Factory, bind func(*pflag.FlagSet)) *cobra.Command {
	common := &commonFlags{}
	root := &cobra.Command{
		Use:   "sx",
		Short: "Convert videos to MP3",
		Long:  "sx converts videos to MP3, on this machine or on a server.",
		Example: `  sx convert talk.mp4               convert a video to talk.mp3
  sx convert lectures/ -o mp3s/     all videos of a directory
  sx upload talk.mp4                only send it, and fetch the MP3 later:
  sx jobs                           what became of it
  sx download --all -o mp3s/        all MP3s that are not there yet`,
		Version: sx.Version,

		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},

		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.DisableFlagParsing { // of cobra's command for completion
				return nil
			}
			bind(cmd.Flags())
			_, f.StartsServer = cmd.Annotations[startsServer]
			return common.apply(cmd, f.IO)
		},
	}
	root.SetIn(f.IO.In)
	root.SetOut(f.IO.Out)
	root.SetErr(f.IO.ErrOut)
	root.SetVersionTemplate("sx {{.Version}}\n")
	root.SetHelpFunc(help(f.IO))
	root.SetUsageFunc(printUsage)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return cmdutil.UsageErrorf("%s", err) })
	root.PersistentFlags().String("server", "", "server `URL` (default: that of the current context)")
	common.add(root.PersistentFlags())
	bind(root.PersistentFlags())

	for _, g := range groups(f) {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, cmd := range g.commands {
			cmd.GroupID = g.title
			root.AddCommand(cmd)
		}
	}
	root.AddCommand(topics.New()...)
	root.SetHelpCommand(helpCommand(root))
	root.SetHelpCommandGroupID(settings)
	root.AddCommand(commandsTopic(root))
	wrapArgErrors(root)
	addJQ(root)
	return root
}

type group struct {
	title    string
	commands []*cobra.Command
}

const settings = "Settings"

func groups(f *cmdutil.Factory) []group {
	return []group{
		{"Convert", []*cobra.Command{
			withServer(resumable(convert.NewCmd(f, nil))),
			withServer(resumable(upload.NewCmd(f, nil))),
			annotate(watch.NewCmd(f, nil), "the jobs continue"),
			resumable(download.NewCmd(f, nil)),
		}},
		{"Jobs", []*cobra.Command{
			jobs.NewCmd(f, nil),
			show.NewCmd(f, nil),
			open.NewCmd(f, nil),
			share.NewCmd(f),
			feed.NewCmd(f),
			edit.NewCmd(f, nil),
			cancel.NewCmd(f, nil),
			retry.NewCmd(f, nil),
			rm.NewCmd(f, nil),
		}},
		{"Account", []*cobra.Command{
			register.NewCmd(f, nil),
			login.NewCmd(f, nil),
			logout.NewCmd(f, nil),
			auth.NewCmd(f),
			whoami.NewCmd(f, nil),
			passwd.NewCmd(f, nil),
			account.NewCmd(f),
			token.NewCmd(f),
			notify.NewCmd(f),
		}},
		{"Administration", []*cobra.Command{
			admin.NewCmd(f),
		}},
		{"Local server", []*cobra.Command{
			up.NewCmd(f, nil),
			down.NewCmd(f, nil),
			service.NewCmd(f),
		}},
		{"Server in use", []*cobra.Command{
			status.NewCmd(f, nil),
			logs.NewCmd(f, nil),
			doctor.NewCmd(f, nil),
			backup.NewCmd(f),
		}},
		{"Cluster", []*cobra.Command{
			install.NewCmd(f, nil),
			diff.NewCmd(f, nil),
			values.NewCmd(f, nil),
			history.NewCmd(f, nil),
			rollback.NewCmd(f, nil),
			secrets.NewCmd(f),
			images.NewCmd(f, nil),
			supportbundle.NewCmd(f, nil),
			uninstall.NewCmd(f, nil),
		}},
		{settings, []*cobra.Command{
			configcmd.NewCmd(f, nil),
			completion.NewCmd(f, nil),
			version.NewCmd(f, nil),
		}},
	}
}

// resumable marks a command that can be run again to continue where it stopped.
func resumable(cmd *cobra.Command) *cobra.Command {
	return annotate(cmd, "run the same command again to continue")
}

// withServer marks a command that offers to start the local server.
func withServer(cmd *cobra.Command) *cobra.Command {
	cmd.Annotations[startsServer] = ""
	return cmd
}

func annotate(cmd *cobra.Command, interrupted string) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[onInterrupt] = interrupted
	return cmd
}

// wrapArgErrors turns the errors of cobra's argument checks into usage errors.
func wrapArgErrors(cmd *cobra.Command) {
	if cmd.Args != nil {
		cmd.Args = cmdutil.UsageArgs(cmd.Args)
	}
	for _, c := range cmd.Commands() {
		wrapArgErrors(c)
	}
}

func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND | TOPIC]",
		Short:   "Show help for a command or topic",
		Example: "  sx help up\n  sx help exit-codes",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			if parent, rest, err := root.Find(args); err == nil && len(rest) == 0 {
				for _, c := range parent.Commands() {
					if listed(c) {
						names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return cmdutil.UsageErrorf("no help topic %q", strings.Join(args, " ")).
					WithHint("list commands and topics with: sx help")
			}
			return about.Help()
		},
	}
}
