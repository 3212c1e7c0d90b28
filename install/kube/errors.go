package kube

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soundextract/sx/server/sx"
)

// WrapError gives an error of the cluster the code and the hint that an operator
// needs: forbidden for what is not allowed, unavailable for a cluster that does
// not answer. An error of another kind, and nil, is given back as it is.
func (c *Cluster) WrapError(err error) error {
	var (
		known   *sx.Error
		dial    *net.OpError
		request *url.Error
	)
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case apierrors.IsForbidden(err), strings.Contains(err.Error(), "is forbidden: User"):
		return sx.NewError(sx.CodeForbidden, "the cluster does not allow it: %v", err).
			WithHint("ask for the missing right, or use another account; sx doctor lists what is needed").WithCause(err)
	case apierrors.IsUnauthorized(err):
		return sx.NewError(sx.CodeForbidden, "the cluster does not know you: %v", err).
			WithHint("renew the sign-in of your kubeconfig; kubectl get nodes must work").WithCause(err)
	case errors.As(err, &dial), errors.As(err, &request),
		strings.Contains(err.Error(), "Kubernetes cluster unreachable"):
		return sx.NewError(sx.CodeUnavailable, "the cluster %s does not answer: %v", c.Context, err).
			WithHint("check it with: kubectl get nodes").WithCause(err)
	}
	return err
}
