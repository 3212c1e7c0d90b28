package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// skipped is the error of Skip.
type skipped struct{ message, hint string }

func (s *skipped) Error() string { return s.message }

// Skip returns the error of a check that does not apply or cannot run. The
// hint, which may be "", says how to make it run.
func Skip(hint, format string, args ...any) error {
	return &skipped{message: fmt.Sprintf(format, args...), hint: hint}
}

// passed is the error of Pass.
type passed struct{ description string }

func (p *passed) Error() string { return p.description }

// Pass returns the result of a check that passes; the description replaces the check's
// own.
func Pass(description string) error { return &passed{description} }

// severityOverride is an error whose severity differs from that of its check.
type severityOverride struct {
	error
	severity Severity
}

func (o *severityOverride) Unwrap() error { return o.error }

// Run runs all checks concurrently. It reports and returns the results in the
// order of the checks, each as soon as all earlier ones are known. A check that
// exceeds its timeout fails.
func Run(ctx context.Context, env *Env, checks []Check, report func(Result)) []Result {
	pending := make([]chan Result, len(checks))
	for i, c := range checks {
		pending[i] = make(chan Result, 1)
		go func() { pending[i] <- c.run(ctx, env) }()
	}
	results := make([]Result, 0, len(checks))
	for _, result := range pending {
		r := <-result
		results = append(results, r)
		if report != nil {
			report(r)
		}
	}
	return results
}

func (c *Check) run(ctx context.Context, env *Env) Result {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, env) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done(): // a check that ignores its context is abandoned
		err = ctx.Err()
	}
	return c.result(env, err)
}

func (c *Check) result(env *Env, err error) Result {
	r := Result{ID: c.ID, Description: c.Description}
	var skip *skipped
	var pass *passed
	var known *sx.Error
	var override *severityOverride
	severity := c.Severity
	if errors.As(err, &override) {
		severity = override.severity
	}
	switch {
	case err == nil:
		r.Outcome = OK
		return r
	case errors.As(err, &pass):
		r.Outcome, r.Description = OK, pass.description
		return r
	case errors.As(err, &skip):
		r.Outcome, r.Message, r.Hint = OutcomeSkipped, skip.message, skip.hint
		return r
	case errors.Is(err, context.DeadlineExceeded):
		r.Message, r.Hint, r.TimedOut = fmt.Sprintf("no response within %s", c.Timeout.Round(time.Second)), c.hint(env), true
	case errors.As(err, &known):
		r.Message, r.Hint = known.Message, known.Hint
		if r.Hint == known.Code.Hint() { // the hint of the check is more specific than that of the code
			r.Hint = c.hint(env)
		}
	default:
		r.Message, r.Hint = err.Error(), c.hint(env)
	}
	r.Outcome = FoundWarning
	if severity == Fatal {
		r.Outcome = FoundFatal
	}
	return r
}

// hint returns the hint of the check with its command.
func (c *Check) hint(env *Env) string {
	if len(c.Next) == 0 {
		return c.Hint
	}
	program, args := c.Next[0], c.Next[1:]
	if program == "sx" {
		return c.Hint + env.Cluster.SX(env.Release, args...)
	}
	return c.Hint + env.Cluster.Kubectl(args...)
}
