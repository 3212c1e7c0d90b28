package uninstall

import (
	"context"
	"fmt"
	"strings"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/server/sx"
)

// say lists what goes and what stays.
func (o *Options) say(in *installer.Installer, there installer.Inventory) {
	if o.JSON {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the release %s in the namespace %s of %s goes: %d objects\n", in.Release, in.Cluster.Namespace, in.Cluster.Context, len(there.Objects))
	volumes := make([]string, len(there.Volumes))
	for i, v := range there.Volumes {
		volumes[i] = fmt.Sprintf("%s (%s)", v.Name, v.Size)
	}
	what := "these stay:"
	if o.Wipe {
		what = "these are deleted for ever, with all accounts, videos and MP3s:"
	}
	if len(volumes)+len(there.Secrets) > 0 {
		fmt.Fprintln(&b, what)
		for _, v := range volumes {
			fmt.Fprintf(&b, "  volume %s\n", v)
		}
		for _, s := range there.Secrets {
			fmt.Fprintf(&b, "  secret %s\n", s)
		}
	}
	if o.Wipe && there.Namespace {
		fmt.Fprintf(&b, "  namespace %s, if nothing else is in it\n", in.Cluster.Namespace)
	}
	_, _ = fmt.Fprint(o.IO.ErrOut, b.String())
}

// ask asks what the flags have left open.
func (o *Options) ask(ctx context.Context) (bool, error) {
	switch {
	case o.Confirm != "" || o.Yes && !o.Wipe:
		return true, nil
	case !o.Wipe:
		sure, err := term.Confirm(ctx, o.IO, "Remove it?")
		if err == nil && !sure {
			_, _ = fmt.Fprintln(o.IO.ErrOut, "nothing was removed")
		}
		return sure, err
	}
	name, err := term.PromptLine(ctx, o.IO, fmt.Sprintf("Type the release's name, %s, to delete it with its data: ", o.Cluster.Release))
	if err != nil {
		return false, err
	}
	if name != o.Cluster.Release {
		return false, sx.NewError(sx.CodeInvalid, "that is not the release's name: nothing was removed").
			WithHint("run the command again, or without --wipe-data to keep the data")
	}
	return true, nil
}
