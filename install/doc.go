// Package install puts SoundExtract into a Kubernetes cluster and looks after it there.
package install

import (
	_ "helm.sh/helm/v3/pkg/action"
	_ "k8s.io/cli-runtime/pkg/genericclioptions"
	_ "k8s.io/client-go/kubernetes/fake"
	_ "k8s.io/client-go/dynamic"
	_ "k8s.io/client-go/tools/portforward"
	_ "k8s.io/client-go/tools/remotecommand"
	_ "k8s.io/client-go/transport/spdy"
	_ "sigs.k8s.io/yaml"
	_ "github.com/soundextract/sx/charts"
	_ "github.com/soundextract/sx/server/sx"
)
