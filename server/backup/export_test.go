package backup

import "io"

// NewWriterAs begins an archive with a first entry in any form.
func NewWriterAs(out io.Writer, first []byte) (*Writer, error) {
	w := newWriter(out)
	return w, w.put(headerName, first)
}

// WriteAnything adds an entry that a reader may refuse.
func (w *Writer) WriteAnything(name string, data []byte) error { return w.put(name, data) }
