package kube

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/soundextract/sx/server/sx"
)

// WrapError translates an error of Kubernetes into an *sx.Error with the hint that
// an operator needs: forbidden for a missing permission or an expired sign-in,
// unavailable for a cluster that does not respond, invalid for a broken
// kubeconfig. All others, and nil, are returned unchanged.
func (c *Cluster) WrapError(err error) error {
	var known *sx.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case isForbidden(err):
		return sx.NewError(sx.CodeForbidden, "permission denied by the cluster: %v", err).
			WithHint("ask the administrator of the cluster for this permission, or use another account; list all permissions that are needed with: %s", c.SX(DefaultRelease, "doctor")).WithCause(err)
	case apierrors.IsUnauthorized(err):
		return sx.NewError(sx.CodeForbidden, "not signed in to the cluster: %v", err).
			WithHint("sign in to the cluster again, then check with: %s", c.Kubectl("get", "nodes")).WithCause(err)
	case clientcmd.IsEmptyConfig(err), clientcmd.IsConfigurationInvalid(err), clientcmd.IsContextNotFound(err):
		return c.invalidKubeconfig(err)
	case isUnavailable(err):
		return sx.NewError(sx.CodeUnavailable, "the cluster %s does not respond: %v", c.Context, err).
			WithHint("check it with: %s", c.Kubectl("get", "nodes")).WithCause(err)
	}
	return err
}

// isForbidden also reads the text, because Helm does not wrap all errors.
func isForbidden(err error) bool {
	return apierrors.IsForbidden(err) || strings.Contains(err.Error(), "is forbidden: User")
}

// isUnavailable also reads the text, because Helm does not wrap all errors.
func isUnavailable(err error) bool {
	var operation *net.OpError
	var request *url.Error
	return errors.As(err, &operation) || errors.As(err, &request) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) ||
		strings.Contains(err.Error(), "Kubernetes cluster unreachable")
}

func (t Target) invalidKubeconfig(err error) *sx.Error {
	return sx.NewError(sx.CodeInvalid, "the kubeconfig cannot be used: %v", err).
		WithHint("check it with: %s", t.Kubectl("get", "nodes")).WithCause(err)
}
