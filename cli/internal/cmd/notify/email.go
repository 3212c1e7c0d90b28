package notify

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
)

type emailOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	Address string // "" with Remove
	Remove  bool
	JSON    bool
}

func newCmdEmail(f *cmdutil.Factory, run func(context.Context, *emailOptions) error) *cobra.Command {
	opts := &emailOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runEmail
	}
	cmd := &cobra.Command{
		Use:   "email ADDRESS | --remove",
		Short: "Set or remove your e-mail address",
		Long: `Set the address for notifications by e-mail. A confirmation code, valid for an
hour, is sent to it. At a terminal, sx prompts for the code; otherwise pass it
to: sx notify confirm CODE`,
		Example: `  sx notify email ada@example.org
  sx notify email --remove`,
		Args:              cmdutil.UsageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && !opts.Remove:
				return cmdutil.UsageErrorf("e-mail address required")
			case len(args) == 1 && opts.Remove:
				return cmdutil.UsageErrorf("--remove does not take an address")
			case len(args) == 1:
				opts.Address = args[0]
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Remove, "remove", false, "stop notifications by e-mail")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the resulting settings as JSON")
	return cmd
}

func runEmail(ctx context.Context, opts *emailOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	if opts.Remove {
		if err := c.RemoveEmail(ctx); err != nil {
			return err
		}
		n, err := c.Notify(ctx)
		if err != nil {
			return err
		}
		return printEmail(opts.IO, opts.JSON, n, opts.Next("notify", "confirm", "CODE"))
	}
	n, err := c.SetEmail(ctx, api.Email{Address: opts.Address})
	if err != nil {
		return err
	}
	if n.PendingEmail != "" && opts.IO.InTTY && !opts.JSON {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "Sent a code to %s.\n", n.PendingEmail)
		code, err := term.PromptLine(ctx, opts.IO, "Code (leave empty to confirm later): ")
		if err != nil {
			return err
		}
		if code != "" {
			if n, err = c.ConfirmEmail(ctx, api.EmailCode{Code: code}); err != nil {
				return err
			}
		}
	}
	return printEmail(opts.IO, opts.JSON, n, opts.Next("notify", "confirm", "CODE"))
}

// printEmail prints the settings; confirm is the command that confirms a new address.
func printEmail(streams *term.IOStreams, asJSON bool, n api.Notify, confirm string) error {
	if asJSON {
		return streams.WriteJSON(n)
	}
	result := "E-mail notifications are off"
	switch {
	case n.PendingEmail != "":
		result = fmt.Sprintf("Sent a confirmation code to %s", n.PendingEmail)
	case n.Email != "":
		result = fmt.Sprintf("Notifications go to %s", n.Email)
	}
	if err := streams.Printf("%s\n", result); err != nil {
		return err
	}
	if n.PendingEmail != "" {
		_, _ = fmt.Fprintf(streams.ErrOut, "next: %s\n", confirm)
	}
	return nil
}

type confirmOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	Code string
	JSON bool
}

func newCmdConfirm(f *cmdutil.Factory, run func(context.Context, *confirmOptions) error) *cobra.Command {
	opts := &confirmOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runConfirm
	}
	cmd := &cobra.Command{
		Use:               "confirm CODE",
		Short:             "Confirm your e-mail address",
		Example:           `  sx notify confirm 12345678`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Code = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the resulting settings as JSON")
	return cmd
}

func runConfirm(ctx context.Context, opts *confirmOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	n, err := c.ConfirmEmail(ctx, api.EmailCode{Code: opts.Code})
	if err != nil {
		return err
	}
	return printEmail(opts.IO, opts.JSON, n, opts.Next("notify", "confirm", "CODE"))
}
