package install

import (
	"context"
	"fmt"

	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// administrator creates the administrator's account unless it was created before: at a
// terminal it asks for the password, elsewhere it prints the commands. It reports whether
// it printed what to do next.
func (opts *Options) administrator(ctx context.Context, in *installer.Installer) (explained bool, err error) {
	if !opts.Wait || opts.JSON {
		return false, nil
	}
	admin, err := in.Administrator(ctx)
	if err != nil || admin == nil {
		return false, err
	}
	acct, err := opts.account(in)
	if err != nil {
		return false, err
	}
	if !opts.IO.InTTY || acct == nil {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "next: unless the administrator's account exists, create it; the first command prints a code, and the second asks for it:\n  %s | base64 -d; echo\n  %s\n",
			in.Cluster.Kubectl("get", "secret", in.AdministratorSecret(), "-o", "jsonpath={.data.code}"), nextcmd.Line("sx", "register", admin.Name, "--invitation"))
		return true, nil
	}
	err = CreateAdministrator(ctx, opts.IO, acct, *admin, func(ctx context.Context) (string, error) {
		return term.PromptNewPassword(ctx, opts.IO, false)
	})
	if err == nil || sx.CodeOf(err) == sx.CodeNameTaken {
		if marked := in.AdministratorCreated(ctx); marked != nil {
			return false, marked
		}
	}
	if sx.CodeOf(err) == sx.CodeNameTaken {
		return false, nil // created by somebody else, or from data that was kept
	}
	return err == nil, err
}

// account returns the account on the installation; nil if the settings of this run, such
// as SX_SERVER, name another server.
func (opts *Options) account(in *installer.Installer) (*session.Account, error) {
	cfg, err := opts.Config()
	if err != nil || cfg.Kubernetes != opts.Cluster.Location(in) || cfg.Token != "" {
		return nil, err
	}
	return opts.Account()
}

// CreateAdministrator creates the administrator's account with its code and the password,
// signs in, and prints how others get an account.
func CreateAdministrator(ctx context.Context, streams *term.IOStreams, acct *session.Account, admin installer.Administrator, password func(context.Context) (string, error)) error {
	_, _ = fmt.Fprintf(streams.ErrOut, "Choose a password for the administrator's account, %s.\n", admin.Name)
	chosen, err := password(ctx)
	if err != nil {
		return err
	}
	user, err := acct.Register(ctx, api.Credentials{Name: admin.Name, Password: chosen, Invitation: admin.Code})
	if err != nil {
		return err
	}
	if err := streams.Printf("Created account %s and signed in\n", user.Name); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(streams.ErrOut, "next: %s\n      others need an invitation: %s\n", nextcmd.Line("sx", "convert", "VIDEO"), nextcmd.Line("sx", "admin", "invite"))
	return nil
}
