package up

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
)

// The names of the settings for the mail server that belong together.
const (
	smtpUser         = "smtp-user"
	smtpPasswordFile = "smtp-password-file"
)

// addSettings adds the flags of settings that the data directory remembers. They have
// the names of sxd's flags. The function that it returns reads those that were given.
func addSettings(cmd *cobra.Command) (read func() (map[string]string, error)) {
	flags := cmd.Flags()
	flags.String("quota", "", "bytes that each account may store: a `SIZE` such as 50GiB; 0 is no limit")
	flags.String("max-upload", "", "largest upload: a `SIZE` such as 20GiB; 0 is no limit")
	flags.String("max-open-uploads", "", "unfinished uploads of each account: a `NUMBER` such as 100 (initially 1000); 0 is no limit")
	flags.String("jobs-per-day", "", "jobs that each account may create on a UTC day: a `NUMBER` such as 200; 0 is no limit (initially)")
	flags.String("retention-videos", "", "how long videos are kept after their conversion: a `PERIOD` such as 7d (initially); 0 is forever")
	flags.String("retention-failed", "", "how long failed, cancelled and expired jobs are kept: a `PERIOD` such as 30d (initially); 0 is forever")
	flags.String("retention-tracks", "", "how long MP3s and their jobs are kept: a `PERIOD` such as 365d; 0 is forever (initially)")
	flags.String("reserve", "", "free space that new uploads leave on the disk: a `SIZE` such as 10GiB (initially 2GiB)")
	flags.String("registration", "", "who may create accounts: `MODE` open, invitation or closed (initially invitation)")
	flags.String("smtp-addr", "", "`HOST:PORT` of the mail server for notifications; empty turns mail off")
	flags.String("smtp-security", "", "encryption `MODE` of the mail server: starttls, tls or none (initially starttls)")
	flags.String(smtpUser, "", "`NAME` for the mail server; asks for the password unless a file is named")
	flags.String(smtpPasswordFile, "", "`FILE` with the password for the mail server")
	flags.String("smtp-from", "", "sender `ADDRESS` of notifications")
	_ = cmd.RegisterFlagCompletionFunc("registration", fixed("open", "invitation", "closed"))
	_ = cmd.RegisterFlagCompletionFunc("smtp-security", fixed("starttls", "tls", "none"))
	return func() (map[string]string, error) {
		settings := map[string]string{}
		for _, name := range localserver.SettingNames() {
			if f := flags.Lookup(name); f != nil && f.Changed {
				settings[name] = f.Value.String()
			}
		}
		if path := settings[smtpPasswordFile]; path != "" {
			abs, err := filepath.Abs(path) // the server may be started elsewhere
			if err != nil {
				return nil, cmdutil.UsageErrorf("invalid --%s %q", smtpPasswordFile, path)
			}
			settings[smtpPasswordFile] = abs
		}
		return settings, nil
	}
}

func fixed(values ...cobra.Completion) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

// askSMTPPassword asks for the password for the mail server if a user is given without
// a file, and stores it in the data directory.
func (opts *Options) askSMTPPassword(ctx context.Context) error {
	user, file := opts.Settings[smtpUser], opts.Settings[smtpPasswordFile]
	switch {
	case user == "" || file != "":
		return nil
	case !opts.IO.InTTY:
		return cmdutil.UsageErrorf("--%s requires --%s", smtpUser, smtpPasswordFile)
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "Mail server %s, user %s\n", opts.Settings["smtp-addr"], user)
	password, err := term.PromptPassword(ctx, opts.IO, false)
	if err != nil {
		return err
	}
	dir, err := localserver.DataDir(opts.Data)
	if err != nil {
		return err
	}
	opts.Settings[smtpPasswordFile], err = localserver.StoreSMTPPassword(dir, password)
	return err
}
