package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// PromptLine asks for a line of text and returns it without surrounding white space.
// It fails if the input ends first.
func PromptLine(ctx context.Context, streams *IOStreams, question string) (string, error) {
	_, _ = fmt.Fprint(streams.Errors(), question)
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := readLine(streams.In)
		typed <- line{text, err}
	}()
	select {
	case l := <-typed:
		if l.err != nil {
			return "", unanswered(l.err)
		}
		return strings.TrimSpace(l.text), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// readLine reads no more than the line; the rest is for the next prompt.
func readLine(in io.Reader) (string, error) {
	var line strings.Builder
	one := make([]byte, 1)
	for {
		n, err := in.Read(one)
		switch {
		case n == 1 && one[0] == '\n':
			return line.String(), nil
		case n == 1:
			line.WriteByte(one[0])
		case err != nil:
			return "", err
		}
	}
}

// unanswered is the error of a prompt without an answer; Ctrl-D ends the input.
func unanswered(err error) error {
	if errors.Is(err, io.EOF) {
		return sx.NewError(sx.CodeInvalid, "no answer given").WithHint("run the command again")
	}
	return fmt.Errorf("read the answer: %w", err)
}

// Confirm asks a question and returns true for the answers "y" and "yes".
func Confirm(ctx context.Context, streams *IOStreams, question string) (bool, error) {
	answer, err := PromptLine(ctx, streams, question+" [y/N] ")
	if err != nil {
		return false, err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return true, nil
	default:
		return false, nil
	}
}

// ConfirmYes asks a question and returns true unless the answer is "n" or "no".
func ConfirmYes(ctx context.Context, streams *IOStreams, question string) (bool, error) {
	answer, err := PromptLine(ctx, streams, question+" [Y/n] ")
	if err != nil {
		return false, err
	}
	switch strings.ToLower(answer) {
	case "n", "no":
		return false, nil
	default:
		return true, nil
	}
}

// tries is the maximum number of times that sx asks for a password.
const tries = 3

// Retry calls ask until its error is nil or not one of the given codes, at most three
// times, and prints each error before it asks again. Without a terminal, and if the
// answer comes from standard input, it calls ask once.
func Retry(streams *IOStreams, fromInput bool, ask func() error, codes ...sx.Code) error {
	for n := 1; ; n++ {
		err := ask()
		if err == nil || n == tries || fromInput || !streams.InTTY || !slices.Contains(codes, sx.CodeOf(err)) {
			return err
		}
		known := sx.AsError(err)
		text := known.Message
		if known.Hint != "" {
			text += "; " + known.Hint
		}
		_, _ = fmt.Fprintln(streams.Errors(), text)
	}
}

// PromptName returns name in the form in which it is stored, or if it is "", asks for
// it at the terminal.
func PromptName(ctx context.Context, streams *IOStreams, given string) (string, error) {
	if given == "" {
		if !streams.InTTY {
			return "", sx.NewError(sx.CodeUsage, "account name required")
		}
		var err error
		if given, err = PromptLine(ctx, streams, "Name: "); err != nil {
			return "", err
		}
	}
	return sx.UserName(given)
}

// PromptPassword reads the password of an existing account: from standard input if
// fromInput is set, else from the terminal without echo.
func PromptPassword(ctx context.Context, streams *IOStreams, fromInput bool) (string, error) {
	if fromInput {
		return passwordFromInput(io.LimitReader(streams.In, api.MaxPassword+3))
	}
	if !streams.InTTY {
		return "", noTerminal()
	}
	return hidden(ctx, streams, "Password: ")
}

// PromptNewPassword is PromptPassword for a new account: it checks the length, and at
// the terminal asks twice.
func PromptNewPassword(ctx context.Context, streams *IOStreams, fromInput bool) (string, error) {
	var password string
	err := Retry(streams, fromInput, func() (err error) {
		if password, err = PromptPassword(ctx, streams, fromInput); err == nil {
			err = checkLength(password)
		}
		if err != nil || fromInput {
			return err
		}
		return repeat(ctx, streams, "Repeat password: ", password)
	}, sx.CodeInvalid)
	return password, err
}

// PromptCode asks for a one-time code; on a command line, others could read it. With
// fromInput it is the first line of standard input, before the line of the password.
func PromptCode(ctx context.Context, streams *IOStreams, fromInput bool) (string, error) {
	if !fromInput {
		if !streams.InTTY {
			return "", noTerminal()
		}
		code, err := PromptLine(ctx, streams, "Code: ")
		if err == nil && code == "" {
			err = unanswered(io.EOF)
		}
		return code, err
	}
	line, err := readLine(io.LimitReader(streams.In, maxCode))
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the code: %w", err)
	}
	code := strings.TrimSpace(line)
	if err != nil || code == "" {
		return "", sx.NewError(sx.CodeInvalid, "expected two lines on standard input: the code and the password").
			WithHint("send them like this: (echo \"$CODE\"; cat FILE) | sx …")
	}
	return code, nil
}

// maxCode is more than the number of bytes of any code and its line break.
const maxCode = 1000

// PromptPasswordChange asks for the old password once and for the new one twice. From
// standard input it reads two lines, the old one first.
func PromptPasswordChange(ctx context.Context, streams *IOStreams, fromInput bool) (before, after string, err error) {
	if !fromInput {
		if !streams.InTTY {
			return "", "", noTerminal()
		}
		if before, err = hidden(ctx, streams, "Old password: "); err != nil {
			return "", "", err
		}
		after, err = promptReplacement(ctx, streams)
		return before, after, err
	}
	both, err := passwordFromInput(io.LimitReader(streams.In, 2*api.MaxPassword+3))
	if err != nil {
		return "", "", err
	}
	before, after, ok := strings.Cut(both, "\n")
	if before = strings.TrimSuffix(before, "\r"); !ok || before == "" || after == "" || strings.Contains(after, "\n") {
		return "", "", nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "expected two lines: the old and the new password"),
			"send them like this: printf '%%s\\n' \"$OLD\" \"$NEW\" | %s", nextcmd.Command{"passwd", "--password-stdin"})
	}
	return before, after, checkLength(after)
}

// PromptFirstPassword asks for a new password, without the old one: twice at the
// terminal, or on one line of standard input.
func PromptFirstPassword(ctx context.Context, streams *IOStreams, fromInput bool) (string, error) {
	switch {
	case fromInput:
		password, err := passwordFromInput(io.LimitReader(streams.In, api.MaxPassword+3))
		if err != nil {
			return "", err
		}
		return password, checkLength(password)
	case !streams.InTTY:
		return "", noTerminal()
	}
	return promptReplacement(ctx, streams)
}

// promptReplacement asks for a new password twice.
func promptReplacement(ctx context.Context, streams *IOStreams) (password string, err error) {
	err = Retry(streams, false, func() (err error) {
		if password, err = hidden(ctx, streams, "New password: "); err == nil {
			err = checkLength(password)
		}
		if err != nil {
			return err
		}
		return repeat(ctx, streams, "Repeat new password: ", password)
	}, sx.CodeInvalid)
	return password, err
}

func noTerminal() error {
	return sx.NewError(sx.CodeUsage, "cannot prompt for a password without a terminal").
		WithHint("pass it on standard input with --password-stdin")
}

func checkLength(password string) error {
	var problem string
	switch {
	case len(password) < api.MinPassword:
		problem = "short"
	case len(password) > api.MaxPassword:
		problem = "long"
	default:
		return nil
	}
	return sx.NewError(sx.CodeInvalid, "the password is too %s", problem).
		WithHint("use %d to %d characters; a few words are better than symbols", api.MinPassword, api.MaxPassword)
}

// repeat asks for the password again, to catch typing errors.
func repeat(ctx context.Context, streams *IOStreams, question, password string) error {
	again, err := hidden(ctx, streams, question)
	if err != nil {
		return err
	}
	if again != password {
		return sx.NewError(sx.CodeInvalid, "passwords do not match").WithHint("enter the same password twice")
	}
	return nil
}

func hidden(ctx context.Context, streams *IOStreams, question string) (string, error) {
	password, err := streams.ReadPassword(ctx, question)
	_, _ = fmt.Fprintln(streams.Errors()) // the newline was not echoed
	if err != nil {
		return "", unanswered(err)
	}
	return password, nil
}

func passwordFromInput(in io.Reader) (string, error) {
	raw, err := io.ReadAll(in)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	if password == "" {
		return "", nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "no password on standard input"),
			"send it like this: %s < FILE; if a code is needed too, put it on the line before the password", nextcmd.Command{"login", "NAME", "--password-stdin"})
	}
	return password, nil
}
