package auth

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// switchOptions are the flags, arguments and dependencies of sx auth switch.
type switchOptions struct {
	IO      *term.IOStreams
	Config  func() (*config.Config, error)
	Account func() (*session.Account, error)

	Name string // "" is the only other account
	JSON bool
}

func newCmdSwitch(f *cmdutil.Factory, run func(context.Context, *switchOptions) error) *cobra.Command {
	opts := &switchOptions{IO: f.IO, Config: f.Config, Account: f.Account}
	if run == nil {
		run = runSwitch
	}
	cmd := &cobra.Command{
		Use:   "switch [NAME]",
		Short: "Use another account that is signed in to the server",
		Long: `Use another account that is signed in to the server. NAME can be left out if
there is only one other account. To use another server, see: sx config use`,
		Example: `  sx auth switch anna
  sx auth switch`,
		Args:              cmdutil.UsageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cmdutil.CompleteAccounts(f, (*session.Account).Others),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Name = args[0]
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the account as JSON")
	return cmd
}

func runSwitch(ctx context.Context, opts *switchOptions) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	acct, err := opts.Account()
	if err != nil {
		return err
	}
	current, err := acct.InUse()
	if err != nil {
		return err
	}
	owner := ""
	if acct.HasOwner() {
		if in := localserver.Recorded(cfg.Data); in != nil {
			owner = in.Owner
		}
	}
	name := opts.Name
	if name == "" {
		if name, err = onlyOther(acct, owner, current); err != nil {
			return err
		}
	}
	stored := name
	if name == owner && owner != "" {
		stored = "" // the owner's token needs no session
	}
	if err := acct.Use(ctx, stored); errors.Is(err, session.ErrNoSession) {
		return nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "%s is not signed in to %s", name, acct.Server()),
			"sign in with: %s", nextcmd.Command{"login", name})
	} else if err != nil {
		return err
	}
	acct.WarnIfToken(opts.IO.ErrOut)
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			Account string `json:"account"`
			Server  string `json:"server"`
		}{name, acct.Server()})
	}
	return opts.IO.Printf("Switched to %s at %s\n", name, acct.Server())
}

// onlyOther returns the only account besides the current one that is signed in.
func onlyOther(acct *session.Account, owner, current string) (string, error) {
	others := acct.Others()
	if owner != "" && current != "" {
		others = append(others, owner)
	}
	switch len(others) {
	case 1:
		return others[0], nil
	case 0:
		return "", nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "no other account is signed in to %s", acct.Server()),
			"sign in with: %s", nextcmd.Command{"login", "NAME"})
	}
	return "", cmdutil.UsageErrorf("name an account: %s", strings.Join(others, ", "))
}
