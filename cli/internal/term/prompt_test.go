//go:build unix

package term_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// user types at a pseudo terminal.
type user struct {
	t    *testing.T
	pty  *os.File
	mu   sync.Mutex
	seen bytes.Buffer
}

// kept holds the terminals open until the process ends: an abandoned prompt still
// reads from its descriptor, and would take the input of the next terminal that got
// the same one.
var kept sync.Map

func newUser(t *testing.T) (*user, *term.IOStreams) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	kept.Store(master, slave)
	p := &user{t: t, pty: master}
	go func() {
		buf := make([]byte, 256)
		for {
			n, err := master.Read(buf)
			p.mu.Lock()
			p.seen.Write(buf[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	streams := term.FromFiles(slave, slave, slave)
	if !streams.InTTY || !streams.OutTTY {
		t.Fatal("the pseudo terminal is not recognized as a terminal")
	}
	return p, streams
}

func (p *user) screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// answer types a line once the question is on the screen for the nth time. If it
// does not appear in time, answer closes the terminal, which ends the prompt.
func (p *user) answer(question string, nth int, line string) {
	asked := func() bool { return strings.Count(p.screen(), question) >= nth }
	for deadline := time.Now().Add(testkit.Timeout); !asked(); {
		if backoff.Sleep(p.t.Context(), 2*time.Millisecond) != nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Errorf("prompt %q number %d did not appear; the screen shows %q", question, nth, p.screen())
			_ = p.pty.Close()
			return
		}
	}
	if strings.Contains(strings.ToLower(question), "password") && echoes(p.pty) {
		p.t.Errorf("the answer to %q would be shown", question)
	}
	if _, err := p.pty.WriteString(line); err != nil {
		p.t.Error(err)
	}
}

func TestNewPasswordIsNotShown(t *testing.T) {
	t.Parallel()
	p, streams := newUser(t)
	go func() {
		p.answer("Password: ", 1, "correct horse\n")
		p.answer("Repeat password: ", 1, "correct horse\n")
	}()
	got, err := term.PromptNewPassword(t.Context(), streams, false)
	if err != nil || got != "correct horse" {
		t.Fatalf("got %q, %v", got, err)
	}
	if strings.Contains(p.screen(), "horse") {
		t.Errorf("the password was shown: %q", p.screen())
	}
}

// TestPasswordIsAskedForAgain checks that a typing error does not end the command, unless
// it happens three times.
func TestPasswordIsAskedForAgain(t *testing.T) {
	t.Parallel()
	p, streams := newUser(t)
	go func() {
		p.answer("Password: ", 1, "short\n") // refused before it is asked for again
		p.answer("Password: ", 2, "correct horse\n")
		p.answer("Repeat password: ", 1, "correct hose\n")
		p.answer("Password: ", 3, "correct horse\n")
		p.answer("Repeat password: ", 2, "correct horse\n")
	}()
	got, err := term.PromptNewPassword(t.Context(), streams, false)
	if err != nil || got != "correct horse" {
		t.Errorf("got %q, %v", got, err)
	}
	go func() {
		for n := range 3 {
			p.answer("Password: ", 4+n, "short\n")
		}
	}()
	if _, err := term.PromptNewPassword(t.Context(), streams, false); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("got %v", err)
	}
	if screen := p.screen(); strings.Contains(screen, "horse") || strings.Count(screen, "the password is too short; use 8 to") != 3 {
		t.Errorf("the screen shows %q", screen)
	}
}

func TestConfirmYes(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"": true, "y": true, "Yes": true, "n": false, "NO": false} {
		streams, _, errOut := term.Test(" " + answer + " \n")
		if got, err := term.ConfirmYes(t.Context(), streams, "Go on?"); err != nil || got != want {
			t.Errorf("%q: got %t, %v", answer, got, err)
		}
		if errOut.String() != "Go on? [Y/n] " {
			t.Errorf("asked %q", errOut)
		}
	}
	streams, _, _ := term.Test("")
	if _, err := term.ConfirmYes(t.Context(), streams, "Go on?"); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("no answer counts as yes: %v", err)
	}
}

func TestInterruptedPasswordRestoresTheTerminal(t *testing.T) {
	t.Parallel()
	p, streams := newUser(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		p.answer("Password: ", 1, "half a pass")
		cancel()
	}()
	if _, err := term.PromptPassword(ctx, streams, false); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if !echoes(p.pty) {
		t.Error("what is typed stays hidden")
	}
	_, _ = p.pty.WriteString("\n") // ends the read
}

func TestName(t *testing.T) {
	t.Parallel()
	p, streams := newUser(t)
	go p.answer("Name: ", 1, "  Anna\n")
	if got, err := term.PromptName(t.Context(), streams, ""); err != nil || got != "anna" {
		t.Errorf("got %q, %v", got, err)
	}
	go p.answer("Name: ", 2, "\x04")
	if _, err := term.PromptName(t.Context(), streams, ""); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("Ctrl-D: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := term.PromptName(ctx, streams, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestWithoutTerminal(t *testing.T) {
	t.Parallel()
	streams, _, _ := term.Test("")
	if _, err := term.PromptName(t.Context(), streams, ""); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("name: %v", err)
	}
	if _, err := term.PromptPassword(t.Context(), streams, false); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("password: %v", err)
	}
	if _, err := streams.ReadPassword(t.Context(), "Password: "); err == nil || cmdutil.ErrorCode(err) == sx.CodeUsage {
		t.Errorf("not a terminal: %v", err)
	}
}

func TestPasswordFromInput(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		"correct horse": "correct horse", "correct horse\n": "correct horse", "correct horse\r\n": "correct horse",
		" blanks stay \n": " blanks stay ", "two\nlines\n": "two\nlines",
	} {
		streams, _, _ := term.Test(input)
		if got, err := term.PromptPassword(t.Context(), streams, true); err != nil || got != want {
			t.Errorf("%q: got %q, %v", input, got, err)
		}
	}
	streams, _, _ := term.Test(strings.Repeat("x", 2000))
	if _, err := term.PromptNewPassword(t.Context(), streams, true); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("too long: %v", err)
	}
}

func TestCode(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"sxi_x\ncorrect horse\n", " sxi_x \r\ncorrect horse\r\n"} {
		streams, _, _ := term.Test(input)
		code, err := term.PromptCode(t.Context(), streams, true)
		password, err2 := term.PromptNewPassword(t.Context(), streams, true)
		if err != nil || err2 != nil || code != "sxi_x" || password != "correct horse" {
			t.Errorf("%q: got %q, %v, and %q, %v", input, code, err, password, err2)
		}
	}
	for _, input := range []string{"", "\n", "sxi_x", "\ncorrect horse\n", strings.Repeat("x", 2000) + "\ncorrect horse\n"} {
		streams, _, _ := term.Test(input)
		if code, err := term.PromptCode(t.Context(), streams, true); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("%.20q: got %q, %v", input, code, err)
		}
	}
	p, streams := newUser(t)
	go p.answer("Code: ", 1, "\n")
	if code, err := term.PromptCode(t.Context(), streams, false); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("no code at the terminal: got %q, %v", code, err)
	}
	go p.answer("Code: ", 2, " sxi_x\n")
	if code, err := term.PromptCode(t.Context(), streams, false); err != nil || code != "sxi_x" {
		t.Errorf("at the terminal: got %q, %v", code, err)
	}
}

func TestPasswordChangeAtTheTerminal(t *testing.T) {
	t.Parallel()
	p, streams := newUser(t)
	go func() {
		p.answer("Old password: ", 1, "correct horse\n")
		p.answer("New password: ", 1, "another horse\n")
		p.answer("Repeat new password: ", 1, "another hose\n")
		p.answer("New password: ", 2, "short\n")
		p.answer("New password: ", 3, "another horse\n")
		p.answer("Repeat new password: ", 2, "another horse\n")
	}()
	before, after, err := term.PromptPasswordChange(t.Context(), streams, false)
	if err != nil || before != "correct horse" || after != "another horse" {
		t.Errorf("got %q, %q, %v", before, after, err)
	}
	go func() {
		p.answer("New password: ", 4, "a third horse\n")
		p.answer("Repeat new password: ", 3, "a third horse\n")
	}()
	if got, err := term.PromptFirstPassword(t.Context(), streams, false); err != nil || got != "a third horse" {
		t.Errorf("got %q, %v", got, err)
	}
	if strings.Contains(p.screen(), "horse") {
		t.Errorf("a password was shown: %q", p.screen())
	}
}

func TestPasswordChangeFromInput(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"correct horse\nanother horse\n", "correct horse\r\nanother horse\r\n", "correct horse\nanother horse"} {
		streams, _, _ := term.Test(input)
		before, after, err := term.PromptPasswordChange(t.Context(), streams, true)
		if err != nil || before != "correct horse" || after != "another horse" {
			t.Errorf("%q: %q, %q, %v", input, before, after, err)
		}
	}
	for _, input := range []string{"", "one line", "one line\n", "\nanother horse\n", "a\nb horse c\nd", "correct horse\nshort\n"} {
		streams, _, _ := term.Test(input)
		if _, _, err := term.PromptPasswordChange(t.Context(), streams, true); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("%q: %v", input, err)
		}
	}
	streams, _, _ := term.Test("")
	if _, _, err := term.PromptPasswordChange(t.Context(), streams, false); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("no terminal: %v", err)
	}
}
