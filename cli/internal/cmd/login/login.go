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
	Code          bool   // prompt for a code, which includes the account's ID, and a new password
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

If the server signs people in through their organisation, sx prints an address
and a code instead: sign in in a browser there, on any machine, and compare the
code. For a server inside a cluster, the address is that of its web page. With
NAME, sx prompts for the password all the same.

With --code, prompts for a code and a new password, which replaces a forgotten
one, and signs in; all other sessions of the account end. An administrator
creates the code, which identifies the account, with: sx admin reset-password

The local server on this machine needs no account; see: sx up`,
		Example: `  sx login anna
  sx login --code
  sx login anna --password-stdin < password.txt`,
		Args:              cmdutil.UsageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cmdutil.CompleteAccounts(f, (*session.Account).Names),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Name = args[0]
			}
			if opts.Code && opts.Name != "" {
				return cmdutil.UsageErrorf("NAME and --code are mutually exclusive; sx asks for the code, which identifies the account")
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Code, "code", false, "prompt for a code from an administrator and for a new password")
	cmd.Flags().BoolVar(&opts.PasswordStdin, "password-stdin", false, "read the password from standard input (with --code: two lines, the code and the new password)")
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
	user, err := signIn(ctx, opts, acct)
	if err != nil {
		return err
	}
	acct.WarnIfToken(opts.IO.ErrOut)
	if opts.JSON {
		return opts.IO.WriteJSON(user)
	}
	if err := opts.IO.Printf("Signed in to %s as %s\n", acct.Server(), user.Name); err != nil {
		return err
	}
	acct.MentionOthers(opts.IO.ErrOut, opts.Next)
	return nil
}

func signIn(ctx context.Context, opts *Options, acct *session.Account) (user api.User, err error) {
	if opts.Code {
		code, err := term.PromptCode(ctx, opts.IO, opts.PasswordStdin)
		if err != nil {
			return user, err
		}
		password, err := term.PromptFirstPassword(ctx, opts.IO, opts.PasswordStdin)
		if err != nil {
			return user, err
		}
		return acct.Recover(ctx, api.Recovery{Code: code, NewPassword: password})
	}
	if opts.Name == "" && !opts.PasswordStdin {
		ways, err := acct.Ways(ctx)
		if err != nil {
			return user, err
		}
		if ways.Organisation {
			return signInByBrowser(ctx, opts, acct, ways.Passwords)
		}
	}
	name, err := term.PromptName(ctx, opts.IO, opts.Name)
	if err != nil {
		return user, err
	}
	err = term.Retry(opts.IO, opts.PasswordStdin, func() error {
		password, err := term.PromptPassword(ctx, opts.IO, opts.PasswordStdin)
		if err != nil {
			return err
		}
		user, err = acct.Login(ctx, api.Credentials{Name: name, Password: password})
		return err
	}, sx.CodeBadCredentials)
	return user, err
}

// signInByBrowser shows the person an address and a code, and waits until a browser, on
// this machine or another, has approved the sign-in.
func signInByBrowser(ctx context.Context, opts *Options, acct *session.Account, passwords bool) (api.User, error) {
	d, err := acct.StartDevice(ctx)
	if err != nil {
		return api.User{}, err
	}
	where := "Open this address in a browser, on any machine, and sign in there:"
	page := acct.PageURL()
	if page == "" {
		where = "Sign in on the server's web page in a browser, on any machine, and add this to\nits address:"
	}
	instead := ""
	if passwords {
		instead = "To sign in with a password instead: " + opts.Next("login", "NAME") + "\n"
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, `%s

  %s%s%s

%sApprove the sign-in if the page shows the code %s. Waiting for it …
`, where, page, api.DevicePage, d.UserCode, instead, d.UserCode)
	return acct.AwaitDevice(ctx, d)
}
