// Package register is the command sx register.
package register

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
)

// Options are the flags, arguments and dependencies of sx register.
type Options struct {
	IO      *term.IOStreams
	Account func() (*session.Account, error)
	Next    func(args ...string) string

	Name          string // "" is asked for
	Invitation    bool   // prompt for its code
	PasswordStdin bool
	JSON          bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Account: f.Account, Next: f.Next}
	if run == nil {
		run = runRegister
	}
	cmd := &cobra.Command{
		Use:   "register [NAME]",
		Short: "Create an account and sign in",
		Long: `Create an account on the server and sign in. The name may be an e-mail address.
Prompts for the password twice without echoing it.

Some servers require an invitation code, which an administrator creates with
sx admin invite. With --invitation, prompts for it.

The local server on this machine needs no account; see: sx up`,
		Example: `  sx register anna
  sx register anna --invitation
  sx register anna --password-stdin < password.txt`,
		Args:              cmdutil.UsageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Name = args[0]
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Invitation, "invitation", false, "prompt for an invitation code")
	cmd.Flags().BoolVar(&opts.PasswordStdin, "password-stdin", false, "read the password from standard input (with --invitation: two lines, the code and the password)")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the account as JSON")
	return cmd
}

func runRegister(ctx context.Context, opts *Options) error {
	acct, err := opts.Account()
	if err != nil {
		return err
	}
	if err := acct.Check(ctx); err != nil {
		return err
	}
	if !opts.Invitation {
		if err := acct.CheckRegistration(ctx, opts.Name); err != nil {
			return err
		}
	}
	acct.WarnIfUnencrypted(opts.IO.ErrOut)
	name, err := term.PromptName(ctx, opts.IO, opts.Name)
	if err != nil {
		return err
	}
	code := ""
	if opts.Invitation {
		if code, err = term.PromptCode(ctx, opts.IO, opts.PasswordStdin); err != nil {
			return err
		}
	}
	password, err := term.PromptNewPassword(ctx, opts.IO, opts.PasswordStdin)
	if err != nil {
		return err
	}
	user, err := acct.Register(ctx, api.Credentials{Name: name, Password: password, Invitation: code})
	if err != nil {
		return err
	}
	acct.WarnIfToken(opts.IO.ErrOut)
	if opts.JSON {
		return opts.IO.WriteJSON(user)
	}
	if err := opts.IO.Printf("Created account %s at %s and signed in\n", user.Name, acct.Server()); err != nil {
		return err
	}
	acct.MentionOthers(opts.IO.ErrOut, opts.Next)
	if user.Admin {
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "You are an administrator of this server; see: "+nextcmd.Line("sx", "admin", "--help"))
	}
	return nil
}
