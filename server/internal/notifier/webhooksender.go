package notifier

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/soundextract/sx/server/sx"
)

const (
	dialTimeout     = 10 * time.Second
	maxResponseSize = 64 << 10 // bytes that are read of a response, for the header and for the body
)

// webhookSender sends requests to webhooks. Against SSRF it checks the IP address
// that is dialled, after the name was resolved, which also defeats DNS rebinding.
// For the same reason each request uses a new connection and no proxy, which
// would dial in its place.
type webhookSender struct {
	// https may reach the public internet and the operator's networks, and http
	// only the latter, because the requests are not encrypted.
	https, http http.RoundTripper
}

// unreachableWebhook is the error that users see for any receiver that did not respond.
const unreachableWebhook = "no response: the host does not exist, is private or reached by http, or does not answer in time"

// errAddressNotAllowed is returned when dialling an address that webhooks must
// not reach.
var errAddressNotAllowed = errors.New("address not allowed")

func newWebhookSender(networks []netip.Prefix, roots *x509.CertPool) *webhookSender {
	transport := func(allow func(netip.Addr) bool) http.RoundTripper {
		dialer := &net.Dialer{Timeout: dialTimeout, Control: func(_, address string, _ syscall.RawConn) error {
			if a, err := netip.ParseAddrPort(address); err != nil || !allow(a.Addr()) {
				return errAddressNotAllowed
			}
			return nil
		}}
		return &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: dialTimeout, DisableKeepAlives: true, MaxResponseHeaderBytes: maxResponseSize,
		}
	}
	return &webhookSender{
		https: transport(func(a netip.Addr) bool { return isPublic(a) || isAllowed(networks, a) }),
		http:  transport(func(a netip.Addr) bool { return isAllowed(networks, a) }),
	}
}

// sendWebhook sends the delivery to its webhook.
func (s *Service) sendWebhook(ctx context.Context, settings sx.NotificationSettings, d sx.Delivery) result {
	hook := findWebhook(settings, d.WebhookID)
	switch {
	case hook == nil:
		return failed("the webhook was removed")
	case !hook.Disabled.IsZero():
		return failed("the webhook is disabled: its receiver responded 410 Gone")
	}
	req, err := s.newWebhookRequest(ctx, hook, d)
	if err != nil {
		return failed("invalid URL")
	}
	transport := s.webhooks.https
	if req.URL.Scheme == "http" {
		transport = s.webhooks.http
	}
	res, err := transport.RoundTrip(req) // follows no redirects
	if err != nil {
		s.cfg.Log.DebugContext(ctx, "webhook request failed", "delivery", d.ID, "error", err)
		return result{problem: describeNetworkError(err)}
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxResponseSize) // only the status matters
	_ = res.Body.Close()
	return s.webhookResult(res)
}

// newWebhookRequest returns the signed request of a delivery, as specified by
// Standard Webhooks. The timestamp is that of the attempt, because receivers reject
// old ones.
func (s *Service) newWebhookRequest(ctx context.Context, hook *sx.Webhook, d sx.Delivery) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(d.Payload))
	if err != nil {
		return nil, err
	}
	at := strconv.FormatInt(s.cfg.Now().Unix(), 10)
	mac := hmac.New(sha256.New, hook.Secret)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", d.ID, at, d.Payload) // a hash.Hash never returns an error
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "SoundExtract/"+sx.Version)
	req.Header.Set("webhook-id", d.ID)
	req.Header.Set("webhook-timestamp", at)
	req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return req, nil
}

// webhookResult returns the result of a response: only 2xx is a success.
func (s *Service) webhookResult(res *http.Response) result {
	r := result{status: res.StatusCode}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return r
	}
	r.problem = "answered " + strconv.Itoa(res.StatusCode)
	switch {
	case res.StatusCode == http.StatusGone:
		r.final, r.gone = true, true
	case res.StatusCode >= 300 && res.StatusCode < 400:
		r.problem += ", redirects are not followed"
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable:
		r.retryAfter = s.retryAfter(res.Header.Get("Retry-After"))
	}
	return r
}

// retryAfter parses the header Retry-After (RFC 9110 section 10.2.3). It returns 0 if
// there is none, or an invalid one.
func (s *Service) retryAfter(v string) time.Duration {
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(s.cfg.Now()))
	}
	return 0
}

// describeNetworkError describes an error for the user. It contains no address, and is
// the same for a name that does not exist, an address that is not allowed and one where
// nothing answers: otherwise users could explore the operator's network. The log has the
// error.
func describeNetworkError(err error) string {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return "invalid certificate"
	default:
		return unreachableWebhook
	}
}
