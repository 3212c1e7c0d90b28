package cluster

import (
	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// Kind says how the server in use is reached.
type Kind int

// The kinds of servers that a command can be about.
const (
	InCluster Kind = iota // an installation in a cluster
	Local                 // started by sx up
	Elsewhere             // only its URL is known
)

// Given reports whether one of the flags of Flags was given.
func Given(flags *pflag.FlagSet) bool {
	for _, name := range []string{"kubeconfig", "context", "namespace", "release"} {
		if flags.Changed(name) {
			return true
		}
	}
	return false
}

// ValuesGiven reports whether one of the flags of AddValueFlags was given.
func ValuesGiven(flags *pflag.FlagSet) bool {
	for _, name := range []string{"preset", "values", "set", "set-string", "set-file", "image-registry", "image-pull-secret"} {
		if flags.Changed(name) {
			return true
		}
	}
	return false
}

// InUse returns which server a command is about: the installation that the flags name if
// any was given, else the server in use. If that is an installation, InUse fills in its
// location. Without any server it is the installation at the default location.
func (f *Flags) InUse(given bool, load func() (*config.Config, error)) (Kind, *config.Config, error) {
	if given || load == nil {
		return InCluster, &config.Config{}, nil
	}
	cfg, err := load()
	if err != nil {
		return InCluster, nil, err
	}
	switch at := cfg.Installation; {
	case cfg.Data != "":
		return Local, cfg, nil
	case at != (config.Kubernetes{}):
		f.Kubeconfig, f.Context, f.Namespace, f.Release = at.Kubeconfig, at.Context, at.Namespace, at.Release
		return InCluster, cfg, nil
	case cfg.Server != "":
		return Elsewhere, cfg, nil
	}
	return InCluster, cfg, nil
}

// NoServer adds to the error for a missing kubeconfig how to start a local server, if
// neither a server nor an installation was named.
func NoServer(err error, given bool, cfg *config.Config) error {
	if given || cfg.Server != "" || sx.CodeOf(err) != sx.CodeInvalid {
		return err
	}
	return sx.NewError(sx.CodeUnreachable, "no server set, and %s", err).WithCause(err).
		WithHint("start one on this machine with: %s; for an installation in a cluster, set KUBECONFIG or --kubeconfig PATH", nextcmd.Line("sx", "up", "-d"))
}
