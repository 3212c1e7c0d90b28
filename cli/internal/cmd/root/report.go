package root

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// interruption is the error of a command that Ctrl-C or a signal ended.
type interruption struct{ meaning string }

func (i interruption) Error() string {
	if i.meaning != "" {
		return "interrupted; " + i.meaning
	}
	return "interrupted"
}

func (i interruption) Unwrap() error { return context.Canceled }

// wantsJSON reports whether errors are printed as JSON. It also searches the arguments,
// because parsing may have failed at a flag before --json, and the command may not exist.
func wantsJSON(ran *cobra.Command, args []string) bool {
	if flag := ran.Flags().Lookup("json"); flag != nil && flag.Value.String() == "true" {
		return true
	}
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.ContainsFunc(args, func(arg string) bool {
		return arg == "--json" || arg == "--json=true" || arg == "--jq" || strings.HasPrefix(arg, "--jq=")
	})
}

// usageError returns the error of an unknown subcommand instead of err, which is about a
// flag that was meant for that subcommand.
func usageError(ran *cobra.Command, args []string, err error) error {
	if !ran.HasSubCommands() {
		return err
	}
	path := strings.Fields(ran.CommandPath())[1:]
	for i, arg := range args {
		switch {
		case arg == "--":
			return err
		case i > 0 && args[i-1] == "--server": // its value
		case strings.HasPrefix(arg, "-"):
		case len(path) > 0 && arg == path[0]:
			path = path[1:]
		default:
			if unknown := cmdutil.RequireSubcommand(ran, []string{arg}); unknown != nil {
				return unknown
			}
			return err
		}
	}
	return err
}

// report prints each of the joined errors and returns the first one's exit code.
func report(streams *term.IOStreams, ran *cobra.Command, flags nextcmd.Flags, err error, asJSON bool) int {
	all := split(err)
	for _, one := range all {
		if asJSON {
			reportJSON(streams, ran, flags, one)
		} else {
			reportText(streams, ran, flags, one)
		}
	}
	return cmdutil.ErrorCode(all[0]).ExitCode()
}

// split returns the errors of a joined error. One that another error wraps is not split.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, split(one)...)
	}
	return all
}

func reportJSON(streams *term.IOStreams, ran *cobra.Command, flags nextcmd.Flags, err error) {
	message, hint := describe(ran, flags, err)
	enc := json.NewEncoder(streams.Errors())
	enc.SetEscapeHTML(false)
	// There is nowhere to report an error of this stream.
	_ = enc.Encode(api.ErrorBody{Error: api.Error{Code: cmdutil.ErrorCode(err), Message: message, Hint: hint}})
}

func reportText(streams *term.IOStreams, ran *cobra.Command, flags nextcmd.Flags, err error) {
	message, hint := describe(ran, flags, err)
	var interrupted interruption
	if errors.As(err, &interrupted) {
		_, _ = fmt.Fprintln(streams.Errors(), message)
		return
	}
	label := func(color, text string) string {
		if streams.Color {
			return "\x1b[" + color + "m" + text + "\x1b[0m"
		}
		return text
	}
	_, _ = fmt.Fprintf(streams.Errors(), "%s %s\n", label("1;31", "error:"), message)
	if cmdutil.ErrorCode(err) == sx.CodeUsage && ran.HasParent() {
		_, _ = fmt.Fprintf(streams.Errors(), "usage: %s\n", ran.UseLine())
	}
	if hint != "" {
		_, _ = fmt.Fprintf(streams.Errors(), "%s %s\n", label("1;36", "hint:"), hint)
	}
}

// describe returns the message and the hint of an error.
func describe(ran *cobra.Command, flags nextcmd.Flags, err error) (message, hint string) {
	var (
		known *sx.Error
		lost  *client.Unreachable
	)
	message = err.Error()
	switch {
	case errors.As(err, &known):
		hint = cmdutil.HintOf(err, flags)
		if hint == "" && known.Code == sx.CodeUsage {
			hint = "see: " + ran.CommandPath() + " --help"
		}
		return message, hint
	case errors.As(err, &lost):
		// The kind of a network error is more useful than its full text.
		return strings.Replace(message, lost.Error(), unreachable(lost), 1), whenUnreachable(lost, flags)
	case errors.Is(err, context.DeadlineExceeded):
		return message, "run the same command again"
	case errors.Is(err, syscall.ENOSPC):
		return message, "free some disk space, then run the same command again"
	case errors.Is(err, fs.ErrPermission):
		return message, "check the permissions, or choose another location"
	}
	return message, ""
}

// unreachable names the kind of a network error.
func unreachable(u *client.Unreachable) string {
	text := "no response from " + u.Server
	switch kind := u.Kind(); {
	case kind == client.ConnectionRefused && isLocal(u.Server):
		return "no server at " + u.Server
	case kind.String() != "":
		return text + ": " + kind.String()
	}
	return text
}

func whenUnreachable(u *client.Unreachable, flags nextcmd.Flags) string {
	switch kind := u.Kind(); {
	case kind == client.PlainHTTP:
		return "use an address that starts with http://; see: " + flags.SX("config")
	case kind == client.UntrustedAuthority:
		return "install the certificate of its authority on this machine, or check whether a proxy opens encrypted connections"
	case kind.IsTLS():
		return "check the server's address and certificate, and this machine's clock; see: " + flags.SX("config")
	case kind == client.ProxyFailed:
		return "check the variables HTTPS_PROXY and NO_PROXY"
	case isLocal(u.Server):
		return "start one with: " + nextcmd.Line("sx", "up", "-d")
	}
	return "check the network and the server address; see: " + flags.SX("config")
}

// isLocal reports whether the address is on the loopback interface.
func isLocal(server string) bool {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		host = server
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
