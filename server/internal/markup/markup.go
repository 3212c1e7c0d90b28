// Package markup writes HTML in which values from outside are text and nothing else.
//
// It stands in for html/template, which calls methods by their names at run time. A linker
// has to keep every exported method of a program that does so, which makes sxd an eighth
// larger.
package markup

import (
	"fmt"
	"html"
	"strings"
)

// Raw is HTML or CSS of the program itself, which is written as it is.
type Raw string

// Builder collects a document. Its zero value is empty and ready for use.
type Builder struct{ text strings.Builder }

// Printf adds what fmt.Sprintf returns, with each value escaped that is neither a number nor
// Raw. A value may therefore be part of an element's text or of an attribute in double
// quotes, and nowhere else: not of a style or a script, and of an address only where the
// format has its beginning.
func (b *Builder) Printf(format string, values ...any) {
	escaped := make([]any, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case int, Raw:
			escaped[i] = v
		default:
			escaped[i] = html.EscapeString(fmt.Sprint(v))
		}
	}
	fmt.Fprintf(&b.text, format, escaped...)
}

// String returns the document.
func (b *Builder) String() string { return b.text.String() }
