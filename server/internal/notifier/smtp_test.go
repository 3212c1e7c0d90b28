package notifier_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/testkit"
)

// receivedMail is a mail that the mail server accepted.
type receivedMail struct {
	from, to, user string // of the envelope, and the authenticated user
	encrypted      bool
	header         mail.Header
	subject        string
	parts          map[string]string // by media type
}

// mailServer is an SMTP server for tests.
type mailServer struct {
	t        *testing.T
	addr     string
	roots    *x509.CertPool
	received chan receivedMail
	refuse   atomic.Pointer[smtp.SMTPError] // the response to RCPT
}

const (
	mailUser, mailPassword = "sender", "a secret of the mail server"
	mailFrom               = "SoundExtract <noreply@example.org>"
)

// serveMail starts a mail server for the given kind of security. Without certificate
// it does not offer STARTTLS.
func serveMail(t *testing.T, security string, certificate bool) *mailServer {
	t.Helper()
	m := &mailServer{t: t, received: make(chan receivedMail, 100)}
	var cert tls.Certificate
	cert, m.roots = selfSigned(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailSession{server: m, conn: c}, nil
	}))
	server.Domain = "localhost"
	if certificate {
		server.TLSConfig = config
	}
	server.ErrorLog = discard{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = "localhost" + strings.TrimPrefix(listener.Addr().String(), "127.0.0.1")
	if security == notifier.SMTPTLS {
		listener = tls.NewListener(listener, config)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return m
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

// config is the configuration for this server.
func (m *mailServer) config(security string) notifier.Mail {
	return notifier.Mail{Addr: m.addr, Security: security, User: mailUser, Password: mailPassword, From: mailFrom}
}

func (m *mailServer) next() receivedMail {
	m.t.Helper()
	select {
	case l := <-m.received:
		return l
	case <-time.After(testkit.Timeout):
		m.t.Fatal("no mail within the timeout")
		return receivedMail{}
	}
}

func (m *mailServer) wantNoMore() {
	m.t.Helper()
	select {
	case l := <-m.received:
		m.t.Errorf("unexpected mail: %+v", l)
	default:
	}
}

type mailSession struct {
	server *mailServer
	conn   *smtp.Conn
	mail   receivedMail
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != mailUser || password != mailPassword {
			return smtp.ErrAuthFailed
		}
		s.mail.user = user
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.from = from
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if refusal := s.server.refuse.Load(); refusal != nil {
		return refusal
	}
	s.mail.to = to
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	_, s.mail.encrypted = s.conn.TLSConnectionState()
	read, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	s.mail.header = read.Header
	if s.mail.subject, err = (&mime.WordDecoder{}).DecodeHeader(read.Header.Get("Subject")); err != nil {
		return err
	}
	_, params, err := mime.ParseMediaType(read.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	s.mail.parts = map[string]string{}
	for parts := multipart.NewReader(read.Body, params["boundary"]); ; {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		text, err := io.ReadAll(p)
		if err != nil {
			return err
		}
		kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil {
			return err
		}
		s.mail.parts[kind] = string(text)
	}
	s.server.received <- s.mail
	return nil
}

func (*mailSession) Reset()        {}
func (*mailSession) Logout() error { return nil }

// selfSigned creates a certificate for localhost and a pool that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, roots
}
