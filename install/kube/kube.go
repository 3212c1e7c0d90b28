// Package kube reaches a Kubernetes cluster by the operator's kubeconfig.
package kube

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/soundextract/sx/server/sx"
)

// DefaultNamespace and DefaultRelease are where SoundExtract goes unless the
// operator says otherwise.
const (
	DefaultNamespace = "soundextract"
	DefaultRelease   = "soundextract"
)

// Target says which cluster is meant, and where in it.
type Target struct {
	Kubeconfig string // path; "" is KUBECONFIG, else ~/.kube/config, else the cluster that the process runs in
	Context    string // of the kubeconfig; "" is its current one
	Namespace  string // "" is DefaultNamespace, not that of the context
}

// Cluster is a cluster that can be talked to. Its parts may be fakes in tests.
type Cluster struct {
	Target // Context and Namespace filled in

	Getter  genericclioptions.RESTClientGetter // for Helm
	Config  *rest.Config
	Client  kubernetes.Interface
	Dynamic dynamic.Interface
	Mapper  meta.RESTMapper
}

// Connect reads the kubeconfig. It does not talk to the cluster yet. A
// kubeconfig or context that is missing or broken is an *sx.Error of code invalid.
func Connect(t Target) (*Cluster, error) {
	if t.Namespace == "" {
		t.Namespace = DefaultNamespace
	}
	flags := genericclioptions.NewConfigFlags(true)
	flags.Namespace = &t.Namespace
	if t.Kubeconfig != "" {
		path, err := filepath.Abs(t.Kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", t.Kubeconfig, err)
		}
		if _, err := os.Stat(path); err != nil {
			return nil, invalidKubeconfig(err).WithHint("give the path of a kubeconfig with --kubeconfig")
		}
		t.Kubeconfig = path
		flags.KubeConfig = &t.Kubeconfig
	}
	if t.Context != "" {
		flags.Context = &t.Context
	}
	raw, err := flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, invalidKubeconfig(err)
	}
	if _, err := rest.InClusterConfig(); err != nil && len(raw.Clusters) == 0 {
		return nil, sx.NewError(sx.CodeInvalid, "no kubeconfig says how to reach a cluster").
			WithHint("set KUBECONFIG, or give --kubeconfig PATH; kubectl get nodes must work with it")
	}
	if t.Context == "" {
		t.Context = raw.CurrentContext
	} else if _, known := raw.Contexts[t.Context]; !known {
		return nil, sx.NewError(sx.CodeInvalid, "the kubeconfig has no context %q", t.Context).
			WithHint("list its contexts with: kubectl config get-contexts")
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, invalidKubeconfig(err)
	}
	config.QPS, config.Burst = 50, 100 // one operator who waits, not a controller
	return connect(t, flags, config)
}

func connect(t Target, getter genericclioptions.RESTClientGetter, config *rest.Config) (*Cluster, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, invalidKubeconfig(err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, invalidKubeconfig(err)
	}
	mapper, err := getter.ToRESTMapper()
	if err != nil {
		return nil, invalidKubeconfig(err)
	}
	return &Cluster{Target: t, Getter: getter, Config: config, Client: client, Dynamic: dyn, Mapper: mapper}, nil
}
