package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// pageHeader is printed in the margins of every page.
type pageHeader struct {
	Version string
	Date    time.Time
}

// pageName is the page of a command: sx-config-use for sx config use.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// writePage writes the page of a command or help topic to w. cobra's own generator takes the
// help text for Markdown, and would run its indented examples and lists together.
func writePage(w io.Writer, cmd *cobra.Command, h pageHeader) error {
	cmd.InitDefaultHelpFlag()
	p := &page{}
	p.line(".TH %s 1 %s %s SoundExtract", quoted(strings.ToUpper(pageName(cmd))),
		quoted(h.Date.UTC().Format(time.DateOnly)), quoted("sx "+h.Version))
	p.line(".SH NAME\n%s \\- %s", text(pageName(cmd)), text(cmd.Short))
	if cmd.Runnable() {
		p.line(".SH SYNOPSIS\n.B %s", text(cmd.UseLine()))
	}
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	p.about(about)
	p.commands(cmd)
	if cmd.Runnable() {
		p.options("OPTIONS", cmd.LocalFlags())
		p.options("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	}
	if cmd.Example != "" {
		p.line(".SH EXAMPLES")
		p.asIs(cmd.Example)
	}
	p.seeAlso(cmd)
	_, err := io.WriteString(w, p.String())
	if err != nil {
		return fmt.Errorf("write the page %s: %w", pageName(cmd), err)
	}
	return nil
}

type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) { _, _ = fmt.Fprintf(p, format+"\n", args...) }

// about prints the description. Paragraphs of prose are reflowed; a paragraph with an
// indented line is a table or an example and keeps its lines.
func (p *page) about(body string) {
	p.line(".SH DESCRIPTION")
	for i, paragraph := range strings.Split(strings.TrimSpace(body), "\n\n") {
		if i > 0 {
			p.line(".PP")
		}
		if strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n ") {
			p.asIs(paragraph)
		} else {
			p.line("%s", text(paragraph))
		}
	}
}

// asIs keeps the lines as they are.
func (p *page) asIs(body string) {
	p.line(".nf\n%s\n.fi", text(strings.TrimRight(body, "\n ")))
}

func (p *page) commands(cmd *cobra.Command) {
	for i, c := range shown(cmd) {
		if i == 0 {
			p.line(".SH COMMANDS")
		}
		p.line(".TP\n.BR %s (1)\n%s", text(pageName(c)), text(c.Short))
	}
}

func (p *page) options(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.line(".SH %s", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + kind
		}
		p.line(".TP\n.B %s\n%s", text(name), text(usage))
	})
}

func (p *page) seeAlso(cmd *cobra.Command) {
	root := cmd.Root()
	if cmd == root {
		return
	}
	near := []string{pageName(root)}
	if parent := cmd.Parent(); parent != root {
		near = append(near, pageName(parent))
	}
	p.line(".SH SEE ALSO\n%s", text(strings.Join(near, "(1), ")+"(1)"))
}

// shown returns the commands and topics below cmd that its help lists.
func shown(cmd *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "help" {
			all = append(all, c)
		}
	}
	return all
}

// eachPage calls fn for cmd and every command and topic below it that has a page.
func eachPage(cmd *cobra.Command, fn func(*cobra.Command) error) error {
	if err := fn(cmd); err != nil {
		return err
	}
	for _, c := range shown(cmd) {
		if err := eachPage(c, fn); err != nil {
			return err
		}
	}
	return nil
}

// text escapes what roff would interpret.
func text(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

func quoted(s string) string { return `"` + strings.ReplaceAll(text(s), `"`, `\(dq`) + `"` }
