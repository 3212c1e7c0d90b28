package auth

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

// statusOptions are the flags and dependencies of sx auth status.
type statusOptions struct {
	IO     *term.IOStreams
	Config func() (*config.Config, error)

	JSON bool
}

func newCmdStatus(f *cmdutil.Factory, run func(context.Context, *statusOptions) error) *cobra.Command {
	opts := &statusOptions{IO: f.IO, Config: f.Config}
	if run == nil {
		run = runStatus
	}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "List the accounts that are signed in, on all servers",
		Long: `List the accounts that are signed in, on all servers. The account that commands
use now is marked. The exit code is 77 if no account is signed in to the server
in use. No server is contacted; sx whoami contacts the one in use.`,
		Example: `  sx auth status
  sx auth status --json`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the accounts as JSON")
	return cmd
}

// signIn is an account that is signed in.
type signIn struct {
	Server  string `json:"server"`
	Account string `json:"account"`
	InUse   bool   `json:"in_use"` // by commands without --server
	By      string `json:"by"`
}

// The values of signIn.By.
const (
	byKeyring  = "keyring"
	byFile     = "file"
	byOwner    = "owner's token" // in the data directory of a local server
	byVariable = "SX_TOKEN"
)

func runStatus(_ context.Context, opts *statusOptions) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	list, err := signIns(cfg)
	if err != nil {
		return err
	}
	if opts.JSON {
		err = opts.IO.WriteJSON(list)
	} else if len(list) > 0 {
		err = opts.print(list)
	}
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.InUse {
			return nil
		}
	}
	if cfg.Server == "" {
		return sx.NewError(sx.CodeUnauthenticated, "no server set").
			WithHint("name one with --server URL, or start one on this machine with: sx up -d")
	}
	return sx.NewError(sx.CodeUnauthenticated, "not signed in to %s", cfg.Server)
}

// signIns returns all accounts that are signed in: those of the store, and the owners of
// local servers that run.
func signIns(cfg *config.Config) ([]signIn, error) {
	file, err := config.ReadUserFile()
	if err != nil {
		return nil, err
	}
	store := session.StoreFor(cfg)
	stored, err := store.List()
	if err != nil {
		return nil, err
	}
	list := []signIn{}
	inUse := func(server string) bool { return server == cfg.Account && cfg.Token == "" }
	addresses := map[string]string{cfg.Account: cfg.Server}
	for _, name := range file.ContextNames() {
		c := file.Contexts[name]
		addresses[c.ID()] = c.URL()
		if c.Data == "" || localserver.OwnerToken(c.Data) == "" {
			continue
		}
		in := localserver.Recorded(c.Data)
		current, err := store.Current(c.ID())
		if err != nil {
			return nil, err
		}
		if in != nil {
			list = append(list, signIn{in.URL, in.Owner, current == "" && inUse(c.ID()), byOwner})
		}
	}
	for _, s := range stored {
		by := byFile
		if s.Keyring {
			by = byKeyring
		}
		address := addresses[s.Server]
		if address == "" {
			address = s.Server
		}
		list = append(list, signIn{address, s.User, s.Current && inUse(s.Server), by})
	}
	if cfg.Token != "" && cfg.Server != "" {
		list = append(list, signIn{cfg.Server, "", true, byVariable})
	}
	return list, nil
}

func (opts *statusOptions) print(list []signIn) error {
	columns := []term.Column{{Header: "IN USE"}, {Header: "SERVER", Shrink: true}, {Header: "ACCOUNT"}, {Header: "SIGNED IN BY"}}
	rows := make([][]term.Cell, len(list))
	for i, s := range list {
		mark := ""
		if s.InUse {
			mark = "*"
		}
		name := s.Account
		if name == "" {
			name = "that of the token"
		}
		rows[i] = []term.Cell{term.TextCell(mark), term.TextCell(s.Server), term.TextCell(name), term.TextCell(s.By)}
	}
	if err := term.PrintTable(opts.IO, columns, rows); err != nil {
		return fmt.Errorf("print the accounts: %w", err)
	}
	return nil
}
