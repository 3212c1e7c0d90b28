package cmdutil

import (
	"context"
	"fmt"
	"time"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// CanConfirmDeletion returns an error unless ConfirmDeletion can ask or need not ask.
func CanConfirmDeletion(streams *term.IOStreams, yes bool) error {
	if yes || streams.InTTY {
		return nil
	}
	return UsageErrorf("deleting an account requires --yes if sx cannot ask for confirmation").WithHint("add --yes")
}

// ConfirmDeletion asks for the name of the account at the server, and returns an error
// unless that is the answer.
func ConfirmDeletion(ctx context.Context, streams *term.IOStreams, name, server string) error {
	_, _ = fmt.Fprintf(streams.Errors(), "This deletes %s at %s and everything stored for it.\n", name, server)
	answer, err := term.PromptLine(ctx, streams, "Type the account's name to confirm: ")
	if err != nil {
		return err
	}
	if answer != name {
		return sx.NewError(sx.CodeInvalid, "the name does not match; nothing was deleted").WithHint("run the command again")
	}
	return nil
}

// PrintDeletion prints a deletion that has begun.
func PrintDeletion(streams *term.IOStreams, e api.Erasure, asJSON bool) error {
	if asJSON {
		return streams.WriteJSON(e)
	}
	return streams.Printf("Deleting the account %s; the name is free after %s\n",
		e.Name, e.CompleteAfter.Local().Format(time.DateTime))
}
