package installer_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

func TestClusterErrors(t *testing.T) {
	t.Parallel()
	pods := schema.GroupResource{Resource: "pods"}
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	noServer := clientcmdapi.Config{Clusters: map[string]*clientcmdapi.Cluster{"a": {}}}
	oneContext := clientcmdapi.Config{Contexts: map[string]*clientcmdapi.Context{"work": {}}}
	known := sx.NewError(sx.CodeInvalid, "known")
	other := errors.New("boom")
	cluster := &kube.Cluster{Target: kube.Target{Context: "lab"}}
	for name, tt := range map[string]struct {
		err  error
		code sx.Code // "" for an error that is returned unchanged
		says string
	}{
		"none":                 {nil, "", ""},
		"forbidden":            {apierrors.NewForbidden(pods, "x", errors.New("no")), sx.CodeForbidden, "permission denied"},
		"forbidden, wrapped":   {fmt.Errorf("list: %w", apierrors.NewForbidden(pods, "x", errors.New("no"))), sx.CodeForbidden, "list: pods"},
		"forbidden, as text":   {errors.New(`secrets is forbidden: User "eve" cannot list`), sx.CodeForbidden, "eve"},
		"unauthorized":         {apierrors.NewUnauthorized("expired"), sx.CodeForbidden, "not signed in"},
		"unavailable":          {apierrors.NewServiceUnavailable("starting"), sx.CodeUnavailable, "lab does not respond"},
		"server timeout":       {apierrors.NewServerTimeout(pods, "list", 1), sx.CodeUnavailable, "lab"},
		"timeout":              {apierrors.NewTimeoutError("slow", 1), sx.CodeUnavailable, "lab"},
		"too many requests":    {apierrors.NewTooManyRequestsError("slow down"), sx.CodeUnavailable, "lab"},
		"connection refused":   {&url.Error{Op: "Get", URL: "https://lab", Err: refused}, sx.CodeUnavailable, "connection refused"},
		"unknown host":         {&url.Error{Op: "Get", URL: "https://lab", Err: &net.DNSError{Err: "no such host", Name: "lab"}}, sx.CodeUnavailable, "no such host"},
		"unreachable, of Helm": {errors.New("Kubernetes cluster unreachable: x"), sx.CodeUnavailable, "lab"},
		"empty kubeconfig":     {clientcmd.ErrEmptyConfig, sx.CodeInvalid, "kubeconfig"},
		"invalid kubeconfig":   {clientcmd.Validate(noServer), sx.CodeInvalid, "kubeconfig"},
		"missing context":      {clientcmd.ConfirmUsable(oneContext, "nowhere"), sx.CodeInvalid, "nowhere"},
		"cancelled":            {&url.Error{Op: "Get", URL: "https://lab", Err: context.Canceled}, "", ""},
		"deadline":             {context.DeadlineExceeded, "", ""},
		"not found":            {apierrors.NewNotFound(pods, "x"), "", ""},
		"conflict":             {apierrors.NewConflict(pods, "x", other), "", ""},
		"known":                {known, "", ""},
		"other":                {other, "", ""},
	} {
		got := cluster.WrapError(tt.err)
		if tt.code == "" {
			if !errors.Is(got, tt.err) || fmt.Sprint(got) != fmt.Sprint(tt.err) {
				t.Errorf("%s: got %v, want it unchanged", name, got)
			}
			continue
		}
		if sx.CodeOf(got) != tt.code || !strings.Contains(got.Error(), tt.says) || sx.AsError(got).Hint == "" {
			t.Errorf("%s: got %v (%s), want %s %q", name, got, sx.CodeOf(got), tt.code, tt.says)
		}
	}
}
