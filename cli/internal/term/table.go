package term

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Column describes one column.
type Column struct {
	Header string
	// Shrink lets the column shrink if the rows are wider than the terminal, the
	// widest column first and none below Min; 0 is 8.
	Shrink bool
	Min    int
	// Right aligns the cells to the right.
	Right bool
	// Optional lets the column be left out at a terminal that is too narrow for all.
	Optional bool
}

// Cell is one value.
type Cell struct {
	// Text is shown at a terminal, Full is printed elsewhere; if Full is empty, it
	// is Text.
	Text, Full string
	// Color is an SGR code such as "32", used if colours are allowed.
	Color string
}

// TextCell returns a cell that is the same everywhere.
func TextCell(s string) Cell { return Cell{Text: s} }

// DateCell returns a cell with the local date at a terminal, and the time elsewhere.
func DateCell(t time.Time) Cell {
	return Cell{Text: t.Local().Format(time.DateOnly), Full: t.UTC().Format(time.RFC3339)}
}

const (
	gap       = 2 // spaces between columns
	minShrink = 8 // the default of Column.Min
)

// PrintTable prints the rows to Out. Every row has a cell for each column.
func PrintTable(io *IOStreams, columns []Column, rows [][]Cell) error {
	return io.Printf("%s", FormatTable(io, columns, rows))
}

// FormatTable returns what PrintTable prints.
func FormatTable(io *IOStreams, columns []Column, rows [][]Cell) string {
	clean := strings.NewReplacer("\t", " ", "\n", " ") // they separate cells and rows
	tidy := make([][]Cell, len(rows))
	for i, row := range rows {
		for _, c := range row {
			c.Text, c.Full = clean.Replace(c.Text), clean.Replace(c.Full)
			tidy[i] = append(tidy[i], c)
		}
	}
	rows = tidy
	var b strings.Builder
	if io.OutTTY {
		width, _ := io.Size()
		aligned(&b, columns, rows, width, io.Color)
	} else {
		separated(&b, rows)
	}
	return b.String()
}

func separated(b *strings.Builder, rows [][]Cell) {
	for _, row := range rows {
		for i, c := range row {
			if i > 0 {
				b.WriteByte('\t')
			}
			full := c.Full
			if full == "" {
				full = c.Text
			}
			b.WriteString(full)
		}
		b.WriteByte('\n')
	}
}

func aligned(b *strings.Builder, columns []Column, rows [][]Cell, width int, color bool) {
	columns, rows = dropOptional(columns, rows, width)
	widths := measure(columns, rows, width)
	header := make([]Cell, len(columns))
	for i, c := range columns {
		header[i] = Cell{Text: c.Header}
	}
	short := make([][]string, len(columns)) // of each column, with the header
	for i := range columns {
		for _, row := range append([][]Cell{header}, rows...) {
			short[i] = append(short[i], row[i].Text)
		}
		short[i] = shortenDistinct(short[i], widths[i])
	}
	for n, row := range append([][]Cell{header}, rows...) {
		var line strings.Builder
		for i, c := range row {
			text := short[i][n]
			pad := strings.Repeat(" ", widths[i]-textWidth(text))
			if color && c.Color != "" {
				text = "\x1b[" + c.Color + "m" + text + "\x1b[0m"
			}
			if columns[i].Right {
				text = pad + text
			} else {
				text += pad
			}
			if i > 0 {
				line.WriteString(strings.Repeat(" ", gap))
			}
			line.WriteString(text)
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
}

// dropOptional leaves out optional columns, the last one first, until the others fit.
func dropOptional(columns []Column, rows [][]Cell, width int) ([]Column, [][]Cell) {
	columns, rows = slices.Clone(columns), slices.Clone(rows)
	for i := len(columns) - 1; i >= 0; i-- {
		total := gap * (len(columns) - 1)
		for _, w := range measure(columns, rows, width) {
			total += w
		}
		if total <= width {
			break
		}
		if !columns[i].Optional {
			continue
		}
		columns = slices.Delete(columns, i, i+1)
		for r := range rows {
			rows[r] = slices.Delete(slices.Clone(rows[r]), i, i+1)
		}
	}
	return columns, rows
}

// measure returns the widths of the columns, shrunk as far as they may if they are
// wider than the terminal.
func measure(columns []Column, rows [][]Cell, width int) []int {
	widths := make([]int, len(columns))
	total := gap * (len(columns) - 1)
	for i, c := range columns {
		widths[i] = textWidth(c.Header)
		for _, row := range rows {
			widths[i] = max(widths[i], textWidth(row[i].Text))
		}
		total += widths[i]
	}
	for ; total > width; total-- {
		widest := -1
		for i, c := range columns {
			if c.Shrink && widths[i] > cmp.Or(c.Min, minShrink) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}
