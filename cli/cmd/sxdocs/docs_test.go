// Package main_test checks that the docs name only commands and flags that exist.
package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
)

const top = "../../.."

var (
	block   = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	inline  = regexp.MustCompile("`((?:sx|make) [^`]*)`")
	comment = regexp.MustCompile(`(^|\s)#.*`)
	sxLine  = regexp.MustCompile(`(?:^|[)&|] )sx ([^)|;&<>]*)`)
	maker   = regexp.MustCompile(`(?:^|\s)make ([a-z0-9-]+)`)
)

// TestDocs checks the commands in the docs. Those in a code block are complete; those
// in a sentence may lack their arguments.
func TestDocs(t *testing.T) {
	t.Parallel()
	makefile := read(t, filepath.Join(top, "Makefile"))
	for _, path := range texts(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text := read(t, path)
			for _, b := range block.FindAllStringSubmatch(text, -1) {
				for line := range strings.Lines(b[1]) {
					check(t, comment.ReplaceAllString(strings.TrimSpace(line), ""), makefile, true)
				}
			}
			for _, span := range inline.FindAllStringSubmatch(text, -1) {
				check(t, span[1], makefile, false)
			}
		})
	}
}

func texts(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(found) < 3 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		all = append(all, found...)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// check checks that the commands and flags of a line exist.
func check(t *testing.T, line, makefile string, whole bool) {
	t.Helper()
	for _, m := range maker.FindAllStringSubmatch(line, -1) {
		if !strings.Contains(makefile, "\n"+m[1]+":") {
			t.Errorf("%s: there is no target %s", line, m[1])
		}
	}
	line = strings.ReplaceAll(line, "$(", "X | ") // what it prints is an argument
	for _, m := range sxLine.FindAllStringSubmatch(line, -1) {
		if strings.HasPrefix(m[1], "COMMAND ") {
			continue // any of them
		}
		if err := parse(strings.Fields(m[1]), whole); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func parse(words []string, whole bool) error {
	streams, _, _ := term.Test("")
	sx := root.New(&cmdutil.Factory{IO: streams}, func(*pflag.FlagSet) {})
	sx.InitDefaultHelpCmd()
	cmd, rest, err := sx.Find(words)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	args := cmd.Flags().Args()
	if whole || cmd.HasSubCommands() { // then they would be commands
		return cmd.ValidateArgs(args)
	}
	return nil
}
