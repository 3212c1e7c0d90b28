package release

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// wrapError translates an error of Helm into an *sx.Error with a code and a
// hint.
func (h *helm) wrapError(err error) error {
	err = h.cluster.WrapError(invalidValues(err))
	var known *sx.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case strings.Contains(err.Error(), "another operation"):
		return sx.NewError(sx.CodeConflict, "another operation on the release is in progress").
			WithHint("wait for it to end; see its progress with: %s", h.cluster.SX(h.name, "status")).WithCause(err)
	default:
		return sx.NewError(sx.CodeInternal, "Helm failed: %v", err).
			WithHint("look for the reason with: %s", h.cluster.SX(h.name, "doctor")).WithCause(err)
	}
}

var (
	// schemaError matches the description of one value in the report of a
	// schema violation. A line that ends with "failed" is followed by its
	// reasons.
	schemaError = regexp.MustCompile(`(?m)^\s*- at '([^']*)': (.*)$`)
	// templateError matches the message that a template of the chart passes to
	// fail.
	templateError = regexp.MustCompile(`(?s)execution error at \([^)]*\): (.*)$`)
)

// invalidValues translates an error by which Helm reports that the schema or a
// template refuses values into an *sx.Error of code invalid, in one line. Other
// errors are returned unchanged.
func invalidValues(err error) error {
	if err == nil {
		return nil
	}
	if m := templateError.FindStringSubmatch(err.Error()); m != nil {
		return sx.NewError(sx.CodeInvalid, "%s", strings.TrimSpace(m[1])).
			WithHint("list the flags with: sx install --help").WithCause(err)
	}
	if !strings.Contains(err.Error(), "values don't meet the specifications of the schema") {
		return err
	}
	// The report has a line for each subchart and each value.
	var violations []string
	for _, m := range schemaError.FindAllStringSubmatch(err.Error(), -1) {
		if strings.HasSuffix(m[2], "failed") {
			continue
		}
		name := strings.ReplaceAll(strings.TrimPrefix(m[1], "/"), "/", ".")
		if name == "" {
			name = "the values"
		}
		violations = append(violations, name+": "+m[2])
	}
	message := strings.TrimSpace(err.Error())
	if len(violations) > 0 {
		message = "invalid values: " + strings.Join(violations, "; ")
	}
	return sx.NewError(sx.CodeInvalid, "%s", message).
		WithHint("correct the values; docs/install.md lists them").WithCause(err)
}
