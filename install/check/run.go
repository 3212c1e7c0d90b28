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

// Skip makes the error of a check whose question does not arise or cannot be
// put. The hint, which may be "", says how it could be put.
func Skip(hint, format string, args ...any) error {
	return &skipped{message: fmt.Sprintf(format, args...), hint: hint}
}

// severityOverride is an error that is fatal although its check's severity is warning, or
// the other way round.
type severityOverride struct {
	error
	severity Severity
}

func (g *severityOverride) Unwrap() error { return g.error }

// Run puts all the questions at once and reports the results in the order of the
// checks, each as soon as those before it are known. It returns them all. A check
// that does not end by its deadline is a result too.
func Run(ctx context.Context, env *Env, checks []Check, report func(Result)) []Result {
	answers := make([]chan Result, len(checks))
	for i, c := range checks {
		answers[i] = make(chan Result, 1)
		go func() { answers[i] <- c.run(ctx, env) }()
	}
	results := make([]Result, 0, len(checks))
	for _, answer := range answers {
		r := <-answer
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
	case <-ctx.Done(): // whatever does not heed its context is left behind
		err = ctx.Err()
	}
	return c.result(err)
}

func (c *Check) result(err error) Result {
	r := Result{ID: c.ID, Description: c.Description}
	var skip *skipped
	var known *sx.Error
	var weighed *severityOverride
	severity := c.Severity
	if errors.As(err, &weighed) {
		severity = weighed.severity
	}
	switch {
	case err == nil:
		r.Outcome = OK
		return r
	case errors.As(err, &skip):
		r.Outcome, r.Message, r.Hint = OutcomeSkipped, skip.message, skip.hint
		return r
	case errors.Is(err, context.DeadlineExceeded):
		r.Message, r.Hint = fmt.Sprintf("no answer within %s", c.Timeout.Round(time.Second)), c.Hint
	case errors.As(err, &known):
		r.Message, r.Hint = known.Message, known.Hint
		if r.Hint == known.Code.Hint() { // the code's usual words know less than the check
			r.Hint = c.Hint
		}
	default:
		r.Message, r.Hint = err.Error(), c.Hint
	}
	r.Outcome = FoundWarning
	if severity == Fatal {
		r.Outcome = FoundFatal
	}
	return r
}
