package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/check"
)

// printer prints results as they come: on a terminal in columns, else in full
// with tabs between id, outcome, description, message and hint.
type printer struct {
	io    *term.IOStreams
	json  bool
	begun bool
	err   error // the first of writing
}

// colors are SGR codes; an outcome that is not here is shown plainly.
var colors = map[check.Outcome]string{check.OK: "32", check.FoundWarning: "33", check.FoundFatal: "31"}

func (p *printer) show(r check.Result) {
	if p.err != nil {
		return
	}
	switch {
	case p.json:
		p.err = p.io.WriteJSON(r)
	case p.io.OutTTY:
		p.write(p.columns(r))
	default:
		clean := strings.NewReplacer("\t", " ", "\n", " ")
		p.write(fmt.Sprintf("%s\t%s\t%s\t%s\t%s\n", r.ID, r.Outcome, r.Description, clean.Replace(r.Message), clean.Replace(r.Hint)))
	}
}

func (p *printer) write(text string) { _, p.err = io.WriteString(p.io.Out, text) }

// The widths of the first two columns, gaps included: the longest id is
// release-state, the longest outcome skipped.
const (
	idWidth      = 15
	outcomeWidth = 9
	minTextWidth = 20
)

// columns lays a result out: what is true when all is well, else what is wrong,
// and below it what to do.
func (p *printer) columns(r check.Result) string {
	var b strings.Builder
	if !p.begun {
		p.begun = true
		_, _ = fmt.Fprintf(&b, "%-*s%s\n", idWidth, "CHECK", "RESULT")
	}
	text := r.Message
	if r.Outcome == check.OK {
		text = r.Description
	}
	width, _ := p.io.Size()
	width = max(width-idWidth-outcomeWidth, minTextWidth)
	lines := term.Wrap(text, width)
	if r.Hint != "" {
		for i, line := range term.Wrap(r.Hint, width-2) {
			lines = append(lines, []string{"→ ", "  "}[min(i, 1)]+line)
		}
	}
	outcome := fmt.Sprintf("%-*s", outcomeWidth, r.Outcome)
	if color := colors[r.Outcome]; color != "" && p.io.Color {
		outcome = "\x1b[" + color + "m" + outcome + "\x1b[0m"
	}
	_, _ = fmt.Fprintf(&b, "%-*s%s%s\n", idWidth, r.ID, outcome, lines[0])
	for _, line := range lines[1:] {
		_, _ = fmt.Fprintf(&b, "%*s%s\n", idWidth+outcomeWidth, "", line)
	}
	return b.String()
}
