package term

import (
	"strings"
	"testing"
)

func TestScreenHome(t *testing.T) {
	t.Parallel()
	s := Screen{lines: []string{strings.Repeat("x", 79), "會議", strings.Repeat("y", 41)}, width: 80}
	for width, want := range map[int]string{80: "\r\x1b[2A", 40: "\r\x1b[4A", 20: "\r\x1b[7A"} {
		if got := s.home(width); got != want {
			t.Errorf("at width %d: %q, want %q", width, got, want)
		}
	}
}

// terminal emulates the control sequences that a Screen writes.
type terminal struct {
	t        *testing.T
	rows     []string
	row, col int
}

func (w *terminal) Write(p []byte) (int, error) {
	for text := string(p); text != ""; {
		var seq string
		for _, s := range []string{"\r\n", "\r", "\n", "\x1b[J", "\x1b[K", "\x1b[1A", "\x1b[2A"} {
			if strings.HasPrefix(text, s) {
				seq = s
				break
			}
		}
		for len(w.rows) <= w.row+1 {
			w.rows = append(w.rows, "")
		}
		switch seq {
		case "":
			w.rows[w.row] = w.rows[w.row][:w.col] + text[:1] + w.rows[w.row][min(w.col+1, len(w.rows[w.row])):]
			w.col++
			text = text[1:]
			continue
		case "\r\n", "\n":
			w.row, w.col = w.row+1, 0
		case "\r":
			w.col = 0
		case "\x1b[J":
			w.rows[w.row] = w.rows[w.row][:w.col]
			w.rows = w.rows[:w.row+1]
		case "\x1b[K":
			w.rows[w.row] = w.rows[w.row][:w.col]
		default:
			w.row -= int(seq[2] - '0')
		}
		if w.row < 0 {
			w.t.Fatal("it paints above the terminal's first line")
		}
		text = text[len(seq):]
	}
	return len(p), nil
}

func (w *terminal) String() string { return strings.TrimRight(strings.Join(w.rows, "\n"), "\n") }

// TestPaintedInPlace checks that a block replaces the previous one, whatever their sizes,
// that Erase removes it and that Leave keeps it.
func TestPaintedInPlace(t *testing.T) {
	t.Parallel()
	w := &terminal{t: t}
	var s Screen
	expect := func(want string) {
		t.Helper()
		if got := w.String(); got != want {
			t.Errorf("the terminal shows %q, want %q", got, want)
		}
	}
	say := func(text string) { _, _ = w.Write([]byte(text)) }
	say("$ sx\n")
	s.Paint(w, []string{"one", "a longer line", "three"}, 80)
	expect("$ sx\none\na longer line\nthree")
	s.Paint(w, []string{"1", "2", "3"}, 80)
	expect("$ sx\n1\n2\n3")
	s.Paint(w, []string{"alone"}, 80)
	expect("$ sx\nalone")
	s.Paint(w, []string{"a", "b"}, 80)
	s.Erase(w)
	expect("$ sx")
	s.Erase(w) // there is no block
	say("a step\n")
	s.Paint(w, []string{"x", "y"}, 80)
	s.Leave(w)
	say("the end")
	expect("$ sx\na step\nx\ny\nthe end")
}
