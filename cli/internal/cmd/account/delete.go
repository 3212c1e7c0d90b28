package account

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

type deleteOptions struct {
	IO      *term.IOStreams
	Account func() (*session.Account, error)

	Yes           bool
	PasswordStdin bool
	JSON          bool
}

func newCmdDelete(f *cmdutil.Factory, run func(context.Context, *deleteOptions) error) *cobra.Command {
	opts := &deleteOptions{IO: f.IO, Account: f.Account}
	if run == nil {
		run = runDelete
	}
	cmd := &cobra.Command{
		Use:   "delete",
		Short: "Delete your account and everything stored for it",
		Long: `Delete the signed-in account and everything stored for it: videos, MP3s, jobs,
the records of what was converted, notification settings, sessions and personal
tokens. This cannot be undone.

Asks for the account's name for confirmation, and for the password. If it cannot
ask, --yes and --password-stdin are required. An account without a password, of
somebody who signs in through an organisation, is deleted within ten minutes of
that sign-in instead, without --password-stdin.

The account can no longer sign in, and its sessions and personal tokens end. An
access token already issued remains valid for up to ten minutes, a personal
token for up to one. The data is deleted in the background, and the name can be
registered again once that is done, about a quarter of an hour later at the
earliest. The administrators' audit log keeps the name. The last administrator
and the owner of a local server cannot be deleted.`,
		Example: `  sx account delete
  sx account delete --yes --password-stdin < password.txt`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.PasswordStdin && !opts.Yes {
				return cmdutil.UsageErrorf("--password-stdin requires --yes, because standard input cannot answer the question too")
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask for confirmation")
	cmd.Flags().BoolVar(&opts.PasswordStdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the deletion as JSON")
	return cmd
}

func runDelete(ctx context.Context, opts *deleteOptions) error {
	if err := cmdutil.CanConfirmDeletion(opts.IO, opts.Yes); err != nil {
		return err
	}
	acct, err := opts.Account()
	if err != nil {
		return err
	}
	acct.WarnIfUnencrypted(opts.IO.ErrOut)
	// Before anything is asked for.
	if _, err := acct.Token(ctx); err != nil {
		return err
	}
	if acct.IsOwner() {
		return sx.NewError(sx.CodeConflict, "the owner of a local server cannot be deleted").
			WithHint("to delete everything, stop the server and delete its data directory")
	}
	name, err := acct.InUse()
	if err != nil {
		return err
	}
	if name == "" {
		return sx.NewError(sx.CodeForbidden, "a personal token cannot delete the account").
			WithHint("unset SX_TOKEN, then sign in with the account's name and password")
	}
	if err := acct.Check(ctx); err != nil {
		return err
	}
	hasPassword, err := acct.HasPassword(ctx)
	if err != nil {
		return err
	}
	if !hasPassword && opts.PasswordStdin {
		return nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "the account %s has no password", name),
			"use: %s", nextcmd.Command{"account", "delete", "--yes"})
	}
	if !opts.Yes {
		if err := cmdutil.ConfirmDeletion(ctx, opts.IO, name, acct.Server()); err != nil {
			return err
		}
	}
	ask := deleteByPassword
	if !hasPassword {
		ask = deleteBySignIn
	}
	out, err := ask(ctx, opts, acct)
	if err != nil {
		return err
	}
	return cmdutil.PrintDeletion(opts.IO, out, opts.JSON)
}

func deleteByPassword(ctx context.Context, opts *deleteOptions, acct *session.Account) (out api.Erasure, err error) {
	err = term.Retry(opts.IO, opts.PasswordStdin, func() error {
		password, err := term.PromptPassword(ctx, opts.IO, opts.PasswordStdin)
		if err != nil {
			return err
		}
		out, err = acct.Delete(ctx, api.AccountDeletion{Password: password})
		return err
	}, sx.CodeBadCredentials)
	return out, err
}

// deleteBySignIn deletes an account without a password. A sign-in through the organisation
// a short time ago proves to the server that the request comes from the account's owner.
func deleteBySignIn(ctx context.Context, _ *deleteOptions, acct *session.Account) (api.Erasure, error) {
	out, err := acct.Delete(ctx, api.AccountDeletion{})
	if sx.CodeOf(err) == sx.CodeBadCredentials {
		// A sign-in of sx is as old as that of the browser which approved it.
		return out, nextcmd.WithHint(sx.NewError(sx.CodeBadCredentials, "%s", sx.AsError(err).Message).WithCause(err),
			"sign out on the web page, use: %s, sign in there again, then repeat this within ten minutes", nextcmd.Command{"login"})
	}
	return out, err
}
