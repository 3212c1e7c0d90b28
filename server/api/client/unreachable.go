package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/soundextract/sx/server/sx"
)

// Unreachable is the error for a server that did not respond.
type Unreachable struct {
	Server string
	Err    error
}

func (e *Unreachable) Error() string {
	// A certificate, for example, contains text from the server.
	return sx.CleanLine(fmt.Sprintf("no response from %s: %v", e.Server, e.Err), sx.MaxErrorText)
}

// ErrorCode implements sx.Coded.
func (e *Unreachable) ErrorCode() sx.Code { return sx.CodeUnreachable }

// Unwrap returns the network error.
func (e *Unreachable) Unwrap() error { return e.Err }

// NetworkError is a kind of network error.
type NetworkError int

// The kinds of network errors.
const (
	OtherNetworkError  NetworkError = iota // such as a connection that broke
	UnknownHost                            // the name of the server has no address
	ConnectionRefused                      // no program listens at the address
	ConnectionTimeout                      // nothing responds at the address
	ProxyFailed                            // the proxy of the environment did not connect
	UntrustedAuthority                     // the certificate is signed by an unknown authority
	WrongCertificate                       // the certificate is invalid, or for another name
	PlainHTTP                              // the server does not use TLS
	TLSFailed                              // another error of TLS
)

// Kind returns the kind of the error.
func (e *Unreachable) Kind() NetworkError {
	var (
		unknown   x509.UnknownAuthorityError
		system    x509.SystemRootsError
		wrongName x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		name      *net.DNSError
		op        *net.OpError
		timeout   net.Error
	)
	switch {
	case errors.As(e.Err, &op) && op.Op == "proxyconnect":
		return ProxyFailed
	case errors.As(e.Err, &unknown), errors.As(e.Err, &system):
		return UntrustedAuthority
	case errors.As(e.Err, &wrongName), errors.As(e.Err, &invalid), errors.As(e.Err, &verify):
		return WrongCertificate
	case errors.Is(e.Err, http.ErrSchemeMismatch):
		return PlainHTTP
	case errors.As(e.Err, &record), errors.As(e.Err, &op) && (op.Op == "remote error" || op.Op == "local error"): // alerts of TLS
		return TLSFailed
	case errors.As(e.Err, &name):
		return UnknownHost
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return ConnectionRefused
	case errors.As(e.Err, &op) && op.Op == "dial" && errors.As(e.Err, &timeout) && timeout.Timeout():
		return ConnectionTimeout
	}
	return OtherNetworkError
}

// IsTLS reports whether the two sides cannot agree on an encrypted connection, which no
// retry changes.
func (k NetworkError) IsTLS() bool {
	switch k {
	case UntrustedAuthority, WrongCertificate, PlainHTTP, TLSFailed:
		return true
	default:
		return false
	}
}

// String describes the kind in a few words; it is "" for OtherNetworkError.
func (k NetworkError) String() string {
	switch k {
	case UnknownHost:
		return "unknown host"
	case ConnectionRefused:
		return "connection refused"
	case ConnectionTimeout:
		return "no answer to the connection"
	case ProxyFailed:
		return "the proxy does not connect"
	case UntrustedAuthority:
		return "its certificate is signed by an unknown authority"
	case WrongCertificate:
		return "its certificate is not valid for this name or time"
	case PlainHTTP:
		return "it does not use TLS"
	case TLSFailed:
		return "no encrypted connection is possible"
	default:
		return ""
	}
}
