// Package open is the command sx open.
package open

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
)

// Options are the flags and dependencies of sx open.
type Options struct {
	IO        *term.IOStreams
	Config    func() (*config.Config, error)
	Client    func() (*client.Client, error)
	Transport func() (http.RoundTripper, error)
	Next      func(args ...string) string
	// Start opens a file in the browser.
	Start func(ctx context.Context, path string) error

	Print bool // the link, in place of starting a browser
	JSON  bool // likewise
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Config: f.Config, Client: f.Client, Transport: f.Transport, Next: f.Next, Start: startBrowser}
	if run == nil {
		run = runOpen
	}
	cmd := &cobra.Command{
		Use:   "open",
		Short: "Open the web page",
		Long: `Open the server's web page in a browser, signed in as you. The link contains a
code that can be used once, within a minute. Treat it like a password.

For a server inside a cluster, sx connects the browser to it until you stop the
command.`,
		Example: `  sx open
  sx open --print`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Print, "print", false, "print the link instead of starting a browser")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the link as JSON instead of starting a browser")
	return cmd
}

func runOpen(ctx context.Context, opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	made, err := c.CreateBrowserCode(ctx)
	if err != nil {
		return err
	}
	if cfg.Kubernetes == (config.Kubernetes{}) {
		return opts.open(ctx, cfg, link(cfg.Server, made.Code), made.Expires)
	}
	transport, err := opts.Transport()
	if err != nil {
		return err
	}
	return connect(ctx, transport, cfg.Server, func(base string) error {
		if err := opts.open(ctx, cfg, link(base, made.Code), made.Expires); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "The page works until this command ends. Stop it with Ctrl-C.")
		return nil
	})
}

// link returns the page's address with the code in the fragment, which no server gets.
func link(base, code string) string { return strings.TrimSuffix(base, "/") + "/#open=" + code }

// open opens the link in a browser, or prints it.
func (o *Options) open(ctx context.Context, cfg *config.Config, link string, expires time.Time) error {
	if o.JSON {
		return o.IO.WriteJSON(struct {
			URL     string    `json:"url"`
			Expires time.Time `json:"expires"`
		}{link, expires})
	}
	if !o.Print {
		path, err := writeRedirect(cfg.StateDir, link)
		if err == nil {
			err = o.Start(ctx, path)
		}
		if err == nil {
			_, _ = fmt.Fprintf(o.IO.ErrOut, "Opening %s in your browser. If no page appears, run: %s\n", cfg.Server, o.Next("open", "--print"))
			return nil
		}
		o.IO.Explain("no browser was started: %v", err)
		_, _ = fmt.Fprintln(o.IO.ErrOut, "No browser could be started. Open this link in one within a minute:")
	}
	return o.IO.Printf("%s\n", link)
}
