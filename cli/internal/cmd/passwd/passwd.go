// Package passwd is the command sx passwd.
package passwd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx passwd.
type Options struct {
	IO      *term.IOStreams
	Account func() (*session.Account, error)

	PasswordStdin bool
	JSON          bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Account: f.Account}
	if run == nil {
		run = runPasswd
	}
	cmd := &cobra.Command{
		Use:   "passwd",
		Short: "Change your password",
		Long: `Change the password of the signed-in account. Prompts for the old password once
and the new one twice, without echoing them.

The owner of a local server, whom sx signs in without a password, is not asked
for the old one: this sets a first password, or replaces a forgotten one.

All other sessions of the account end: their access tokens expire within ten
minutes and cannot be renewed. Personal tokens stay valid; see: sx token list`,
		Example: `  sx passwd
  printf '%s\n' "$OLD" "$NEW" | sx passwd --password-stdin`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.PasswordStdin, "password-stdin", false,
		"read two lines from standard input: the old and the new password; for the owner of a local server, only the new one")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the account as JSON")
	return cmd
}

func runPasswd(ctx context.Context, opts *Options) error {
	acct, err := opts.Account()
	if err != nil {
		return err
	}
	acct.WarnIfUnencrypted(opts.IO.ErrOut)
	// Before anything is asked for.
	if _, err := acct.Token(ctx); err != nil {
		return err
	}
	if err := acct.Check(ctx); err != nil {
		return err
	}
	var user api.User
	err = term.Retry(opts.IO, opts.PasswordStdin, func() (err error) {
		var change api.PasswordChange
		if acct.IsOwner() {
			change.NewPassword, err = term.PromptFirstPassword(ctx, opts.IO, opts.PasswordStdin)
		} else {
			change.OldPassword, change.NewPassword, err = term.PromptPasswordChange(ctx, opts.IO, opts.PasswordStdin)
		}
		if err != nil {
			return err
		}
		user, err = acct.ChangePassword(ctx, change)
		return err
	}, sx.CodeBadCredentials)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(user)
	}
	return opts.IO.Printf("Changed the password of %s; all other sessions have ended\n", user.Name)
}
