// Package usage is the error of a command that was typed wrong: a missing
// argument, two flags that exclude each other. It ends sx with exit code 64 and
// shows the command's usage line, unlike input that is wrong itself.
package usage

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Error says what is wrong with the way a command was typed.
type Error struct {
	Message string
	Hint    string // "" points to the command's --help
}

// Errorf makes an Error; the message is formatted as by fmt.Sprintf.
func Errorf(format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...)}
}

// WithHint returns a copy of e with the given hint.
func (e *Error) WithHint(hint string) *Error {
	c := *e
	c.Hint = hint
	return &c
}

func (e *Error) Error() string { return e.Message }

// Args makes an Error of what a cobra check of arguments finds.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		var known *Error
		if err == nil || errors.As(err, &known) {
			return err
		}
		return Errorf("%s", err)
	}
}

// AtLeastOne demands one argument or more; what names it in the error, such as
// "a job's id".
func AtLeastOne(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Errorf("%s is missing", what)
		}
		return nil
	}
}

// Subcommand refuses what is not the name of a command below this one.
func Subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := Errorf("there is no command %q", strings.TrimPrefix(cmd.CommandPath()+" "+args[0], cmd.Root().Name()+" "))
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		path := cmd.CommandPath() + " "
		return err.WithHint("did you mean: " + path + strings.Join(near, ", "+path))
	}
	return err
}
