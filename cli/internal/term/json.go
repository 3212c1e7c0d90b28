package term

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes v to Out as JSON on one line, or what Filter makes of it. While
// a ProgressDisplay is shown, use its method of that name.
func (s *IOStreams) WriteJSON(v any) error { return s.writeJSON(s.Out, v) }

// writeJSON writes v to w in one call of Write.
func (s *IOStreams) writeJSON(w io.Writer, v any) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	text := out.Bytes()
	if s.Filter != nil {
		var err error
		if text, err = s.Filter(text); err != nil {
			return err
		}
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
