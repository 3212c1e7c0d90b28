// Package version is the command sx version.
package version

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/releases"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx version.
type Options struct {
	IO       *term.IOStreams
	Releases string // the address of the releases

	JSON  bool
	Check bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Releases: releases.Home}
	if run == nil {
		run = runVersion
	}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of sx",
		Long: `Show the version of sx, the commit it was built from, and the versions of the
chart and the images that sx install uses.

With --check, and only then, look up the newest release on the network.`,
		Example: `  sx version --json
  sx version --check`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if mirror := os.Getenv(releases.Env); mirror != "" {
				opts.Releases = mirror
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the version as JSON")
	cmd.Flags().BoolVar(&opts.Check, "check", false, "check for a newer release")
	return cmd
}

// build describes this sx.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"` // of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Chart    string `json:"chart"`
	App      string `json:"app"` // the tag of the images
}

// checked compares a build with the newest release.
type checked struct {
	build
	Newest string `json:"newest"`
	Newer  bool   `json:"newer"` // than this sx
	Page   string `json:"page"`
	Update string `json:"update,omitempty"`
}

func runVersion(ctx context.Context, opts *Options) error {
	b := thisBuild()
	if !opts.Check {
		if opts.JSON {
			return opts.IO.WriteJSON(b)
		}
		return show(opts.IO, b.String())
	}
	newest, err := releases.Newest(ctx, opts.Releases)
	if err != nil {
		return err
	}
	c := checked{build: b, Newest: newest, Newer: releases.Older(b.Version, newest), Page: releases.Page(opts.Releases, newest)}
	if b.Version != newest {
		c.Update = releases.HowToUpdate(runtime.GOOS, program(), opts.Releases, newest)
	}
	if opts.JSON {
		return opts.IO.WriteJSON(c)
	}
	return show(opts.IO, c.String())
}

func show(streams *term.IOStreams, text string) error {
	return streams.Printf("%s\n", text)
}

func thisBuild() build {
	return build{
		Version: sx.Version, Commit: sx.Commit, Date: sx.Date,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Chart: chart.Semantic(sx.Version), App: chart.Tag(sx.Version),
	}
}

// program returns the path of this sx, with symbolic links resolved.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return "sx" // presumably in the current directory
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

func (b build) String() string {
	var facts []string
	if b.Commit != "" {
		facts = append(facts, b.Commit[:min(len(b.Commit), 7)])
	}
	if b.Date != "" {
		facts = append(facts, b.Date)
	}
	facts = append(facts, b.Go, b.Platform)
	return fmt.Sprintf("sx %s (%s)\nchart %s with images %s", b.Version, strings.Join(facts, ", "), b.Chart, b.App)
}

func (c checked) String() string {
	var b strings.Builder
	b.WriteString(c.build.String() + "\n\n")
	switch {
	case c.Newer:
		_, _ = fmt.Fprintf(&b, "%s is available: %s\nupdate: %s", c.Newest, c.Page, c.Update)
	case c.Version == c.Newest:
		b.WriteString("this is the newest release")
	case releases.IsRelease(c.Version):
		_, _ = fmt.Fprintf(&b, "the newest release, %s, is older than this version", c.Newest)
	default:
		_, _ = fmt.Fprintf(&b, "this is not a release; the newest is %s: %s\nupdate: %s", c.Newest, c.Page, c.Update)
	}
	return b.String()
}
