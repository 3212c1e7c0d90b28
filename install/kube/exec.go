package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	streaming "k8s.io/streaming/pkg/httpstream"
)

// Exec runs a command in a container of a pod, with stdin as its standard input, and
// returns its standard output. If the command fails, the error includes its
// error output.
func (c *Cluster) Exec(ctx context.Context, pod, container string, command []string, stdin string) (string, error) {
	url := c.Client.CoreV1().RESTClient().Post().Namespace(c.Namespace).Resource("pods").Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: container, Command: command, Stdin: true, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec).URL()
	// WebSockets work through more proxies; API servers before Kubernetes 1.31 support
	// only SPDY.
	old, err := remotecommand.NewSPDYExecutor(c.Config, "POST", url)
	if err != nil {
		return "", fmt.Errorf("prepare the connection to the pod: %w", err)
	}
	sockets, err := remotecommand.NewWebSocketExecutor(c.Config, "GET", url.String())
	if err != nil {
		return "", fmt.Errorf("prepare the connection to the pod: %w", err)
	}
	executor, err := remotecommand.NewFallbackExecutor(sockets, old, func(err error) bool {
		return streaming.IsUpgradeFailure(err) || streaming.IsHTTPSProxyError(err) // the errors are of that package
	})
	if err != nil {
		return "", fmt.Errorf("prepare the connection to the pod: %w", err)
	}
	var stdout, stderr bytes.Buffer
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		return stdout.String(), errors.Join(fmt.Errorf("run %s in the pod %s: %w", command[0], pod, err), outputError(stderr.String()))
	}
	return stdout.String(), nil
}

// outputError returns the error output of a command as an error, or nil if
// there is none.
func outputError(text string) error {
	if text = strings.TrimSpace(text); text != "" {
		return errors.New(text)
	}
	return nil
}
