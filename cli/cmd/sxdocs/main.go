// Command sxdocs writes sx's man pages and completion scripts for a release:
//
//	sxdocs DIR VERSION DATE
//
// puts them into DIR/man and DIR/completions, with VERSION and DATE (RFC 3339)
// in the man pages' margins.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/cmd/completion"
	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: sxdocs DIR VERSION DATE")
		os.Exit(64)
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func write(dir, version, date string) error {
	when, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return fmt.Errorf("the date: %w", err)
	}
	// No command is run, so the streams are enough.
	sx := root.New(&cmdutil.Factory{IO: term.System()}, func(*pflag.FlagSet) {})
	if err := completions(sx, filepath.Join(dir, "completions")); err != nil {
		return err
	}
	return manPages(sx, filepath.Join(dir, "man"), version, when)
}

func completions(sx *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for shell, name := range map[string]string{"bash": "sx.bash", "zsh": "_sx", "fish": "sx.fish", "powershell": "sx.ps1"} {
		err := create(filepath.Join(dir, name), func(w io.Writer) error { return completion.Write(w, sx, shell) })
		if err != nil {
			return err
		}
	}
	return nil
}

func manPages(sx *cobra.Command, dir, version string, when time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return eachPage(sx, func(cmd *cobra.Command) error {
		return create(filepath.Join(dir, pageName(cmd)+".1"), func(w io.Writer) error {
			return writePage(w, cmd, pageHeader{Version: version, Date: when})
		})
	})
}

func create(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Close()
}
