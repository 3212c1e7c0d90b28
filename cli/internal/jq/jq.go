// Package jq applies jq expressions to JSON.
package jq

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/itchyny/gojq"

	"github.com/soundextract/sx/server/sx"
)

// Filter is a jq expression.
type Filter struct{ code *gojq.Code }

// Compile returns the filter of an expression. If it is not valid, the error is an
// *sx.Error of code usage.
func Compile(expression string) (*Filter, error) {
	query, err := gojq.Parse(expression)
	if err != nil {
		return nil, invalid(err)
	}
	code, err := gojq.Compile(query, gojq.WithEnvironLoader(os.Environ))
	if err != nil {
		return nil, invalid(err)
	}
	return &Filter{code}, nil
}

func invalid(err error) error {
	return sx.NewError(sx.CodeUsage, "the expression of --jq is not valid: %v", err).
		WithHint("put it in single quotes, such as '.[].id'; https://jqlang.org/manual describes the language")
}

// Apply returns the results for a JSON value, one on each line: strings as they are,
// others as JSON. If the expression fails for the value, the error is an *sx.Error of
// code invalid.
func (f *Filter) Apply(value []byte) ([]byte, error) {
	var in any
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		return nil, fmt.Errorf("decode JSON: %w", err)
	}
	var out bytes.Buffer
	for results := f.code.Run(in); ; {
		result, ok := results.Next()
		if !ok {
			return out.Bytes(), nil
		}
		switch r := result.(type) {
		case error:
			var halt *gojq.HaltError
			if errors.As(r, &halt) && halt.Value() == nil { // the function halt
				return out.Bytes(), nil
			}
			return nil, sx.NewError(sx.CodeInvalid, "--jq: %v", r).
				WithHint("look at the result without --jq, and correct the expression")
		case string:
			out.WriteString(r + "\n")
		default:
			raw, err := gojq.Marshal(r)
			if err != nil {
				return nil, fmt.Errorf("encode JSON: %w", err)
			}
			out.Write(append(raw, '\n'))
		}
	}
}
