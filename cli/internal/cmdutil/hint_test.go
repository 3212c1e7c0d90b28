package cmdutil_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

func TestHints(t *testing.T) {
	t.Parallel()
	server := nextcmd.Flags{"--server", "http://h/a b"}
	failed := sx.NewError(sx.CodeConversionFailed, "ffmpeg crashed")
	wait := nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "no MP3 yet"), "wait for it with: %s", nextcmd.Command{"watch", "a b"})
	for _, tt := range []struct {
		name  string
		err   error
		flags nextcmd.Flags
		want  string
	}{
		{"a command of sx", sx.NewError(sx.CodeUnauthenticated, "x"), nil, "sign in with: sx login, or create an account with: sx register"},
		{"flags are kept and quoted", sx.NewError(sx.CodeUnauthenticated, "x"), server, "sign in with: sx login --server 'http://h/a b', or create an account with: sx register --server 'http://h/a b'"},
		{"no job's id is known", failed, nil, "try again with: sx retry ID"},
		{"the job's id is known", &cmdutil.JobError{Job: "abc", Err: failed}, nil, "try again with: sx retry abc"},
		{"a hint of its own", failed.WithHint("ask Anna"), server, "ask Anna"},
		{"of a server that sent none", &sx.Error{Code: sx.CodeNotFound}, nil, "check the ID with: sx jobs"},
		{"nothing better to say", sx.NewError(sx.CodeNoAudio, "x"), nil, sx.CodeNoAudio.Hint()},
		{"wrapped", fmt.Errorf("a.mp4: %w", failed), nil, "try again with: sx retry ID"},
		{"commands as data", wait, server, "wait for it with: sx watch 'a b' --server 'http://h/a b'"},
		{"commands as data, in a cause", sx.NewError(sx.CodeInvalid, "a.mp4: x").WithCause(wait), nil, "wait for it with: sx watch 'a b'"},
		{"a hint of its own over commands as data", sx.NewError(sx.CodeTimedOut, "x").WithHint("wait").WithCause(wait), nil, "wait"},
		{"no code", errors.New("x"), nil, ""},
	} {
		if got := cmdutil.HintOf(tt.err, tt.flags); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
