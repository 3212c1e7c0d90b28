package root

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/term"
)

// flagsText describes flags in two columns, wrapped to the width. (pflag's own
// text writes "[=true|false]" behind every switch.)
func flagsText(flags *pflag.FlagSet) string {
	var left, right []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		name := "    --" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", --" + f.Name
		}
		if value != "" && f.Value.Type() != "bool" {
			name += " " + value
		}
		if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
			text += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		left, right = append(left, name), append(right, text)
	})
	column := 0
	for _, name := range left {
		column = max(column, len(name))
	}
	var b strings.Builder
	for i, name := range left {
		for n, line := range term.Wrap(right[i], width-column-4) {
			if n > 0 {
				name = ""
			}
			_, _ = fmt.Fprintf(&b, "  %-*s  %s\n", column, name, line)
		}
	}
	return b.String()
}
