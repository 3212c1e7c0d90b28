// Package cluster has what the commands for Kubernetes share: the flags that
// select an installation and set the chart's values, and the display of a
// rollout. It is the only package besides the commands that links Helm and
// Kubernetes.
package cluster

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// Flags select an installation in a cluster.
type Flags struct {
	Kubeconfig string // "" is kubectl's default
	Context    string // of the kubeconfig; "" is its current one
	Namespace  string
	Release    string
}

// Add adds the flags to a command.
func (f *Flags) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Kubeconfig, "kubeconfig", "", "`PATH` of the kubeconfig (default: as kubectl)")
	flags.StringVar(&f.Context, "context", "", "`CONTEXT` of the kubeconfig (default: the current one)")
	flags.StringVarP(&f.Namespace, "namespace", "n", kube.DefaultNamespace, "Kubernetes `NAMESPACE`")
	flags.StringVar(&f.Release, "release", kube.DefaultRelease, "`NAME` of the Helm release")
	// Fails only for a flag that does not exist.
	_ = cmd.MarkFlagFilename("kubeconfig")
	_ = cmd.RegisterFlagCompletionFunc("context", f.complete(contexts))
	_ = cmd.RegisterFlagCompletionFunc("namespace", f.complete(namespaces))
	_ = cmd.RegisterFlagCompletionFunc("release", cobra.NoFileCompletions)
}

// Target returns the cluster and the namespace that the flags select.
func (f *Flags) Target() kube.Target {
	return kube.Target{Kubeconfig: f.Kubeconfig, Context: f.Context, Namespace: f.Namespace}
}

// Installer returns an installer for the installation that the flags select; report
// may be nil.
func (f *Flags) Installer(report func(installer.Event)) (*installer.Installer, error) {
	cluster, err := kube.Connect(f.Target())
	if err != nil {
		return nil, err
	}
	return installer.New(cluster, f.Release, sx.Version, report), nil
}

// Line returns a command line of sx with these flags, for use in hints.
func (f *Flags) Line(args ...string) string {
	return f.Target().SX(f.Release, args...)
}

// completionTime bounds how long completion waits for the cluster.
const completionTime = 2 * time.Second

func (f *Flags) complete(list func(context.Context, kube.Target) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		names, err := list(ctx, f.Target())
		if err != nil { // completion cannot report errors
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func contexts(_ context.Context, at kube.Target) ([]string, error) {
	return kube.Contexts(at.Kubeconfig)
}

func namespaces(ctx context.Context, at kube.Target) ([]string, error) {
	at.Namespace = "" // an incomplete name
	cluster, err := kube.Connect(at)
	if err != nil {
		return nil, err
	}
	return kube.Namespaces(ctx, cluster)
}

// Location returns the installation as the config file names it.
func (f *Flags) Location(in *installer.Installer) config.Kubernetes {
	at := config.Kubernetes{Context: in.Cluster.Context, Namespace: in.Cluster.Namespace, Release: in.Release}
	if f.Kubeconfig != "" {
		at.Kubeconfig = in.Cluster.Kubeconfig // absolute, because sx is run from other directories too
	}
	return at
}

// DefaultLocation is the location that a context's name does not mention.
func DefaultLocation() config.Kubernetes {
	return config.Kubernetes{Namespace: kube.DefaultNamespace, Release: kube.DefaultRelease}
}
