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
	dialLimit = 10 * time.Second
	maxAnswer = 64 << 10 // bytes of an answer that are read, in head and body each
)

// posts is the way to webhooks. Where it leads is checked once the name is
// resolved, on the very address that is dialled: a name that gives another
// address the second time gains nothing. Each post has a connection of its own,
// and no proxy of ours is used, because it would dial elsewhere.
type posts struct {
	// https may reach the open internet too; http only the operator's networks,
	// because everyone on the way would read along.
	https, http http.RoundTripper
}

// errRefused is the error of an address that webhooks may not reach.
var errRefused = errors.New("address not allowed")

func newPosts(networks []netip.Prefix, roots *x509.CertPool) *posts {
	way := func(open func(netip.Addr) bool) http.RoundTripper {
		dialer := &net.Dialer{Timeout: dialLimit, Control: func(_, address string, _ syscall.RawConn) error {
			if a, err := netip.ParseAddrPort(address); err != nil || !open(a.Addr()) {
				return errRefused
			}
			return nil
		}}
		return &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: dialLimit, DisableKeepAlives: true, MaxResponseHeaderBytes: maxAnswer,
		}
	}
	return &posts{
		https: way(func(a netip.Addr) bool { return public(a) || allowed(networks, a) }),
		http:  way(func(a netip.Addr) bool { return allowed(networks, a) }),
	}
}

// sendPost posts the delivery to its webhook.
func (s *Service) sendPost(ctx context.Context, c sx.NotificationSettings, d sx.Delivery) result {
	hook := find(c, d.WebhookID)
	switch {
	case hook == nil:
		return failed("the webhook was removed")
	case !hook.Disabled.IsZero():
		return failed("the webhook is disabled: its receiver answered 410 Gone")
	}
	req, err := s.signed(ctx, hook, d)
	if err != nil {
		return failed("the webhook's URL is not valid")
	}
	way := s.posts.https
	if req.URL.Scheme == "http" {
		way = s.posts.http
	}
	res, err := way.RoundTrip(req) // it follows no redirects
	if err != nil {
		s.cfg.Log.DebugContext(ctx, "post failed", "delivery", d.ID, "error", err)
		return result{problem: why(err)}
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // what it says does not matter
	_ = res.Body.Close()
	return s.judge(res)
}

// signed is the request of a delivery as Standard Webhooks has it. The time is
// that of the try, because receivers refuse old ones.
func (s *Service) signed(ctx context.Context, hook *sx.Webhook, d sx.Delivery) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(d.Payload))
	if err != nil {
		return nil, err
	}
	at := strconv.FormatInt(s.cfg.Now().Unix(), 10)
	mac := hmac.New(sha256.New, hook.Secret)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", d.ID, at, d.Payload) // a hash takes everything
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "SoundExtract/"+sx.Version)
	req.Header.Set("webhook-id", d.ID)
	req.Header.Set("webhook-timestamp", at)
	req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return req, nil
}

// judge says what an answer means: 2xx is success, all else is not, redirects
// included.
func (s *Service) judge(res *http.Response) result {
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
		r.wait = s.retryAfter(res.Header.Get("Retry-After"))
	}
	return r
}

// retryAfter reads the header of RFC 9110 section 10.2.3; 0 is no wish.
func (s *Service) retryAfter(v string) time.Duration {
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(s.cfg.Now()))
	}
	return 0
}

// why says in few words what went wrong on the way. It is shown to the user, so
// it names no address: what lies behind a name of our network is nobody's
// business.
func why(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.Is(err, errRefused):
		return "private address, or http to a public one: not allowed"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "host does not exist"
	case errors.As(err, &certificate):
		return "certificate is not valid"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	default:
		return "connection failed"
	}
}
