package release

import (
	"context"
	"errors"
	"strings"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// wrapError gives Helm's error the code and the hint that an operator needs.
func wrapError(c *kube.Cluster, err error) error {
	err = c.WrapError(chart.Refusal(err))
	var known *sx.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case strings.Contains(err.Error(), "another operation"):
		return sx.NewError(sx.CodeConflict, "another operation on the release is in progress").
			WithHint("wait for it, and look with: sx status").WithCause(err)
	default:
		return sx.NewError(sx.CodeInternal, "Helm says: %v", err).
			WithHint("look for the reason with: sx doctor").WithCause(err)
	}
}
