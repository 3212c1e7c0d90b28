package release

import (
	"context"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// told gives Helm's error the code and the hint that an operator needs.
func told(c *kube.Cluster, err error) error {
	var known *sx.Error
	var dial *net.OpError
	var request *url.Error
	switch {
	case err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case strings.Contains(err.Error(), "values don't meet the specifications of the schema"):
		return sx.NewError(sx.CodeInvalid, "%s", schema(err.Error())).
			WithHint("correct the values; docs/install.md lists them").WithCause(err)
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

var at = regexp.MustCompile(`(?m)^- at '([^']*)': (.*)$`)

// schema says in one line what the schema refuses. Helm's report has a line for
// each part of the chart and each value.
func schema(report string) string {
	var all []string
	for _, m := range at.FindAllStringSubmatch(report, -1) {
		name := strings.ReplaceAll(strings.TrimPrefix(m[1], "/"), "/", ".")
		if name == "" {
			name = "the values"
		}
		all = append(all, name+": "+m[2])
	}
	if len(all) == 0 {
		return strings.TrimSpace(report)
	}
	return "these values cannot be: " + strings.Join(all, "; ")
}
