package backup

import "io"

// NewWriterAs begins an archive with a first entry in any form.
func NewWriterAs(out io.Writer, first []byte) (*Writer, error) {
	w := &Writer{out: out, progress: newProgress()}
	return w, w.Write(headerName, first)
}
