package service

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

const (
	dialLimit   = 3 * time.Second
	answerLimit = 30 * time.Second // a password's hash takes its time under load
	idleCalls   = 32
)

// Transport is the way to another service of the same installation: past any
// proxy, with connections kept for the next call.
func Transport() http.RoundTripper {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialLimit}).DialContext,
		TLSHandshakeTimeout:   dialLimit,
		ResponseHeaderTimeout: answerLimit,
		MaxIdleConnsPerHost:   idleCalls,
		IdleConnTimeout:       time.Minute,
	}
}

// ParseURL reads the setting that says where another service answers.
func ParseURL(setting, value string) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, Invalid(setting, "%q is not a service's URL", value).WithHint("write it like http://host:8741")
	}
	return u, nil
}

// Answers is the check of another service, which has to be ready.
func Answers(name string, way http.RoundTripper, base *url.URL) func(ctx context.Context) error {
	address := base.JoinPath(api.PathReady).String()
	return func(ctx context.Context) error {
		if err := ask(ctx, way, address); err != nil {
			return sx.NewError(sx.CodeUnavailable, "%s is not ready", name).WithCause(err)
		}
		return nil
	}
}

// ask asks for an address and wants the status 200.
func ask(ctx context.Context, way http.RoundTripper, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	// A connection that is kept leads to the same instance again, also when that
	// one is out of service and others have come.
	req.Close = true
	res, err := way.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("no answer from %s: %w", address, err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, res.Status)
	}
	return nil
}
