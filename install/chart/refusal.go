package chart

import (
	"regexp"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// at finds what the schema's report says of one value. A line that ends with
// "failed" has its reasons below it.
var at = regexp.MustCompile(`(?m)^\s*- at '([^']*)': (.*)$`)

// failed finds what a template of the chart refuses in words of its own.
var failed = regexp.MustCompile(`(?s)execution error at \([^)]*\): (.*)$`)

// Refusal makes an *sx.Error of code invalid, in one line, of an error by which
// Helm says that the schema refuses values, or that a template does. Any other
// error it gives back.
func Refusal(err error) error {
	if err == nil {
		return nil
	}
	if m := failed.FindStringSubmatch(err.Error()); m != nil {
		return sx.NewError(sx.CodeInvalid, "%s", strings.TrimSpace(m[1])).
			WithHint("sx install --help lists the flags").WithCause(err)
	}
	if !strings.Contains(err.Error(), "values don't meet the specifications of the schema") {
		return err
	}
	// Helm's report has a line for each part of the chart and each value.
	var all []string
	for _, m := range at.FindAllStringSubmatch(err.Error(), -1) {
		if strings.HasSuffix(m[2], "failed") {
			continue
		}
		name := strings.ReplaceAll(strings.TrimPrefix(m[1], "/"), "/", ".")
		if name == "" {
			name = "the values"
		}
		all = append(all, name+": "+m[2])
	}
	message := strings.TrimSpace(err.Error())
	if len(all) > 0 {
		message = "these values cannot be: " + strings.Join(all, "; ")
	}
	return sx.NewError(sx.CodeInvalid, "%s", message).
		WithHint("correct the values; docs/install.md lists them").WithCause(err)
}
