// Package login is the command sx login.
package login

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx login.
type Options struct {
	IO      *term.IOStreams
	Account func() (*session.Account, error)
	Next    func(args ...string) string

	Name          string // "" is asked for
	PasswordStdin bool
	JSON          bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Account: f.Account, Next: f.Next}
	if run == nil {
		run = runLogin
	}
	cmd := &cobra.Command{
		Use:   "login [NAME]",
		Short: "Sign in",
		Long: `Sign in to the server. Prompts for the password without echoing it. The session
is kept in the system's keyring or, if there is none, in a file that only you
can read. Other accounts stay signed in; see: sx auth switch

The local server on this machine needs no account; see: sx up`,
		Example: `  sx login anna
  sx login anna --password-stdin < password.txt`,
		Args:              cmdutil.UsageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Name = args[0]
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.PasswordStdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the account as JSON")
	return cmd
}

func runLogin(ctx context.Context, opts *Options) error {
	acct, err := opts.Account()
	if err != nil {
		return err
	}
	if err := acct.Check(ctx); err != nil {
		return err
	}
	acct.WarnIfUnencrypted(opts.IO.ErrOut)
	name, err := term.PromptName(ctx, opts.IO, opts.Name)
	if err != nil {
		return err
	}
	var user api.User
	err = term.Retry(opts.IO, opts.PasswordStdin, func() error {
		password, err := term.PromptPassword(ctx, opts.IO, opts.PasswordStdin)
		if err != nil {
			return err
		}
		user, err = acct.Login(ctx, api.Credentials{Name: name, Password: password})
		return err
	}, sx.CodeBadCredentials)
	if err != nil {
		return err
	}
	acct.WarnIfToken(opts.IO.ErrOut)
	if opts.JSON {
		return opts.IO.WriteJSON(user)
	}
	if _, err := fmt.Fprintf(opts.IO.Out, "Signed in to %s as %s\n", acct.Server(), user.Name); err != nil {
		return fmt.Errorf("print the account: %w", err)
	}
	acct.MentionOthers(opts.IO.ErrOut, opts.Next)
	return nil
}
