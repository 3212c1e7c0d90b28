// Package kube connects to a Kubernetes cluster with the operator's kubeconfig.
package kube

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// DefaultNamespace and DefaultRelease are used unless the operator names others.
const (
	DefaultNamespace = "soundextract"
	DefaultRelease   = "soundextract"
)

// Target selects a cluster and a namespace.
type Target struct {
	Kubeconfig string // path; "" is KUBECONFIG, then ~/.kube/config, then the cluster that the process runs in
	Context    string // of the kubeconfig; "" is the current one
	Namespace  string // "" is DefaultNamespace, not the context's

	current string // the kubeconfig's current context, which kubectl uses without --context
}

// Kubectl returns a kubectl command line for the target, as a suggestion to the
// operator.
func (t Target) Kubectl(args ...string) string {
	flags := t.flags(t.current).Keep("-n", t.Namespace, "")
	return nextcmd.Line(slices.Concat([]string{"kubectl"}, flags, args)...)
}

// SX returns an sx command line for a release in the target, as a suggestion to
// the operator. It names the context even if it is the current one: without a flag, sx uses
// the installation in use.
func (t Target) SX(release string, args ...string) string {
	return t.flags("").Keep("-n", t.Namespace, DefaultNamespace).Keep("--release", release, DefaultRelease).SX(args...)
}

func (t Target) flags(usualContext string) nextcmd.Flags {
	return nextcmd.Flags{}.Keep("--kubeconfig", t.Kubeconfig, "").Keep("--context", t.Context, usualContext)
}

// Cluster contains the clients of a cluster. They may be fakes in tests.
type Cluster struct {
	Target // Context and Namespace filled in

	Getter  genericclioptions.RESTClientGetter // for Helm
	Config  *rest.Config
	Client  kubernetes.Interface
	Dynamic dynamic.Interface
	Mapper  meta.RESTMapper
}

// Connect reads the kubeconfig; it does not connect to the cluster yet. If the
// kubeconfig or the context is missing or invalid, it returns an *sx.Error of
// code invalid.
func Connect(t Target) (*Cluster, error) {
	discardLog()
	if t.Namespace == "" {
		t.Namespace = DefaultNamespace
	}
	if problems := validation.IsDNS1123Label(t.Namespace); len(problems) > 0 {
		return nil, sx.NewError(sx.CodeInvalid, "%q cannot be the name of a namespace: it consists of at most 63 lower-case letters, digits and hyphens, with a letter or digit at both ends", t.Namespace).
			WithHint("list the namespaces with: %s", Target{Kubeconfig: t.Kubeconfig, Context: t.Context}.Kubectl("get", "namespaces"))
	}
	flags := genericclioptions.NewConfigFlags(true)
	flags.Namespace = &t.Namespace
	if t.Kubeconfig != "" {
		path, err := filepath.Abs(t.Kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", t.Kubeconfig, err)
		}
		if _, err := os.Stat(path); err != nil {
			return nil, t.invalidKubeconfig(err).WithHint("set the path of a kubeconfig with --kubeconfig")
		}
		t.Kubeconfig = path
		flags.KubeConfig = &t.Kubeconfig
	}
	if t.Context != "" {
		flags.Context = &t.Context
	}
	raw, err := flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, t.invalidKubeconfig(err)
	}
	if _, err := rest.InClusterConfig(); err != nil && len(raw.Clusters) == 0 {
		return nil, sx.NewError(sx.CodeInvalid, "no kubeconfig found").
			WithHint("set KUBECONFIG or --kubeconfig PATH; kubectl get nodes must work with it")
	}
	t.current = raw.CurrentContext
	if t.Context == "" {
		t.Context = raw.CurrentContext
	} else if _, known := raw.Contexts[t.Context]; !known {
		return nil, sx.NewError(sx.CodeInvalid, "context %q not found in the kubeconfig", t.Context).
			WithHint("list the contexts with: %s", Target{Kubeconfig: t.Kubeconfig}.Kubectl("config", "get-contexts"))
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, t.invalidKubeconfig(err)
	}
	config.QPS, config.Burst = 50, 100 // for an operator who is waiting
	return connect(t, flags, config)
}

// discardLog discards the log that Kubernetes' packages write to stderr. It has no format of
// ours, and repeats errors that the functions return, or those of connections that have
// served their purpose.
var discardLog = sync.OnceFunc(func() { klog.SetLogger(logr.Discard()) })

func connect(t Target, getter genericclioptions.RESTClientGetter, config *rest.Config) (*Cluster, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, t.invalidKubeconfig(err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, t.invalidKubeconfig(err)
	}
	mapper, err := getter.ToRESTMapper()
	if err != nil {
		return nil, t.invalidKubeconfig(err)
	}
	return &Cluster{Target: t, Getter: getter, Config: config, Client: client, Dynamic: dyn, Mapper: mapper}, nil
}
