// Package logout is the command sx logout.
package logout

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
)

// Options are the flags, arguments and dependencies of sx logout.
type Options struct {
	IO      *term.IOStreams
	Account func() (*session.Account, error)
	Next    func(args ...string) string

	Name string // "" is the account in use
	JSON bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Account: f.Account, Next: f.Next}
	if run == nil {
		run = runLogout
	}
	cmd := &cobra.Command{
		Use:   "logout [NAME]",
		Short: "Sign out",
		Long: `Delete the session of the account in use, or of NAME, from this machine and end
it on the server. The local copy is deleted even if the server cannot be
reached. Other accounts stay signed in; see: sx auth status`,
		Example: `  sx logout
  sx logout anna`,
		Args:              cmdutil.UsageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cmdutil.CompleteAccounts(f, (*session.Account).Names),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Name = args[0]
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the former account as JSON")
	return cmd
}

func runLogout(ctx context.Context, opts *Options) error {
	acct, err := opts.Account()
	if err != nil {
		return err
	}
	name, serverErr, err := acct.Logout(ctx, opts.Name)
	if err != nil {
		return err
	}
	if serverErr != nil {
		why := serverErr.Error()
		var unreachable *client.Unreachable
		if errors.As(serverErr, &unreachable) {
			why = "no response from " + unreachable.Server // without the network's error
		}
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "warning: the session could not be ended on the server: %s\n", why)
	}
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			Name   string `json:"name"` // "" if nobody was signed in
			Server string `json:"server"`
		}{name, acct.Server()})
	}
	text := fmt.Sprintf("Signed out %s from %s", name, acct.Server())
	if name == "" {
		text = "Not signed in to " + acct.Server()
		if opts.Name != "" {
			text = opts.Name + " is not signed in to " + acct.Server()
		} else if acct.IsOwner() {
			text = "The owner of the local server is signed in as long as it runs"
		}
	}
	if err := opts.IO.Printf("%s\n", text); err != nil {
		return err
	}
	acct.MentionOthers(opts.IO.ErrOut, opts.Next)
	return nil
}
