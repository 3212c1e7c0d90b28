package cluster

import (
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/kube"
)

// Location is how the config file names the installation.
func (f *Flags) Place(in *installer.Installer) config.Kubernetes {
	at := config.Kubernetes{Context: in.Cluster.Context, Namespace: in.Cluster.Namespace, Release: in.Release}
	if f.Kubeconfig != "" {
		at.Kubeconfig = in.Cluster.Kubeconfig // made absolute: sx is run from other folders too
	}
	return at
}

// DefaultLocation is the place that a context's name need not mention.
func DefaultLocation() config.Kubernetes {
	return config.Kubernetes{Namespace: kube.DefaultNamespace, Release: kube.DefaultRelease}
}
