package backup

import (
	"errors"
	"io"
)

// File is a file of Secrets or Values.
type File struct {
	Kind, Name string
	Data       []byte
}

// Files adds files: first secrets, then values.
func (w *Writer) Files(files []File) error {
	for _, kind := range []string{Secrets, Values} {
		for _, f := range files {
			if f.Kind == kind {
				if err := w.Write(kind+"/"+f.Name, f.Data); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// AddFiles copies an archive that has no files, with these files.
func AddFiles(out io.Writer, in io.Reader, files []File) error {
	r, err := NewReader(in)
	if err != nil {
		return err
	}
	w, err := NewWriter(out, r.Header)
	if err != nil {
		return err
	}
	if err := w.Files(files); err != nil {
		return err
	}
	for {
		e, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return w.Close()
		case err != nil:
			return err
		}
		if err := w.Write(e.Name, e.Data); err != nil {
			return err
		}
	}
}
