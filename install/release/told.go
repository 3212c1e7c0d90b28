package release

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// told gives Helm's error the code and the hint that an operator needs.
func told(c *kube.Cluster, err error) error {
	err = chart.Refusal(err)
	var known *sx.Error
	var dial *net.OpError
	var request *url.Error
	switch {
	case err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case apierrors.IsForbidden(err) || strings.Contains(err.Error(), "is forbidden: User"):
		return sx.NewError(sx.CodeForbidden, "the cluster does not allow it: %v", err).
			WithHint("ask for the missing right, or use another account; sx doctor lists what is needed").WithCause(err)
	case errors.As(err, &dial), errors.As(err, &request),
		strings.Contains(err.Error(), "Kubernetes cluster unreachable"):
		return sx.NewError(sx.CodeUnavailable, "the cluster %s does not answer: %v", c.Context, err).
			WithHint("check it with: kubectl get nodes").WithCause(err)
	case strings.Contains(err.Error(), "another operation"):
		return sx.NewError(sx.CodeConflict, "another operation on the release is in progress").
			WithHint("wait for it, and look with: sx status").WithCause(err)
	default:
		return sx.NewError(sx.CodeInternal, "Helm says: %v", err).
			WithHint("look for the reason with: sx doctor").WithCause(err)
	}
}
