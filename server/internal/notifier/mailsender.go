package notifier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"unicode/utf8"

	mail "github.com/wneessen/go-mail"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// mailTimeout bounds connecting to the mail server and authentication, and
// separately sending; both fit into attemptTimeout.
const mailTimeout = attemptTimeout / 2

// newMailClient creates the client of the mail server, without a connection. With
// SMTPStartTLS nothing is sent to a server that does not offer it. Without
// encryption the password is used only in mechanisms that do not reveal it.
func newMailClient(cfg Mail, roots *x509.CertPool) (*mail.Client, error) {
	host, portText, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("parse the mail server's address: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("parse the mail server's port: %w", err)
	}
	options := []mail.Option{
		mail.WithPort(port), mail.WithTimeout(mailTimeout), mail.WithoutNoop(), mail.WithoutRset(),
		mail.WithTLSConfig(&tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}),
	}
	switch cfg.Security {
	case SMTPTLS:
		options = append(options, mail.WithSSL())
	case SMTPNone:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if cfg.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(cfg.User), mail.WithPassword(cfg.Password))
	}
	return mail.NewClient(host, options...)
}

// confirmation is the payload of an EventConfirm.
type confirmation struct {
	Code string `json:"code"`
}

// sendMail sends the delivery to its address, unless the user has changed that
// since.
func (s *Service) sendMail(ctx context.Context, settings sx.NotificationSettings, d sx.Delivery) result {
	if s.mail == nil {
		return failed("this server no longer sends mail")
	}
	var content mailContent
	if d.Event == sx.EventConfirm {
		var payload confirmation
		if err := json.Unmarshal(d.Payload, &payload); err != nil {
			return failed("invalid message")
		}
		if p := settings.Pending; p == nil || p.Hash != token.Hash(payload.Code) || !s.cfg.Now().Before(p.Expires) {
			return failed("the code is no longer valid")
		}
		content = confirmationMail(payload.Code)
	} else {
		var payload api.WebhookEvent
		if err := json.Unmarshal(d.Payload, &payload); err != nil {
			return failed("invalid message")
		}
		if settings.Email != d.Target {
			return failed("the address was changed or removed")
		}
		content = eventMail(payload)
	}
	message, err := s.newMessage(d, content)
	if err != nil {
		return failed("invalid address")
	}
	return s.submit(ctx, message, d)
}

// newMessage returns the mail of a delivery. Its Message-ID is derived from the
// delivery's ID, so that mail programs can detect a mail that was sent twice.
func (s *Service) newMessage(d sx.Delivery, content mailContent) (*mail.Msg, error) {
	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := m.From(s.cfg.Mail.From); err != nil {
		return nil, err
	}
	if err := m.To(d.Target); err != nil {
		return nil, err
	}
	from, err := netmail.ParseAddress(s.cfg.Mail.From)
	if err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	m.SetGenHeaderPreformatted(mail.HeaderSubject, encodeSubject(content.subject))
	m.SetMessageIDWithValue(d.ID + "@" + domain)
	m.SetDateWithValue(d.Created)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no automatic replies
	text, html := content.render()
	m.SetBodyString(mail.TypeTextPlain, text)
	m.AddAlternativeString(mail.TypeTextHTML, html)
	return m, nil
}

// encodeSubject returns the subject as encoded words (RFC 2047), except for one of plain
// words: what looks like an encoded word in a file's name must be shown as it is.
func encodeSubject(s string) string {
	const longest = 60 // bytes of a line that need no folding (RFC 5322 section 2.1.1)
	if len(s) <= longest && !strings.Contains(s, "=?") && mime.QEncoding.Encode("utf-8", s) == s {
		return s
	}
	var words []string
	for s != "" {
		const most = 45 // bytes that in base64 fit into an encoded word of 75
		end := min(len(s), most)
		for end > 0 && end < len(s) && !utf8.RuneStart(s[end]) {
			end--
		}
		words, s = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:end]))+"?="), s[end:]
	}
	return strings.Join(words, "\r\n ")
}

// submit submits the message to the mail server.
func (s *Service) submit(ctx context.Context, m *mail.Msg, d sx.Delivery) result {
	conn, err := s.mail.DialToSMTPClientWithContext(ctx)
	if err == nil {
		err = s.mail.SendWithSMTPClient(conn, m)
		_ = s.mail.CloseWithSMTPClient(conn) // an error of QUIT does not matter once the message is accepted
	}
	if err == nil || m.IsDelivered() {
		return result{status: 250} // RFC 5321 section 4.2.3: completed
	}
	s.cfg.Log.WarnContext(ctx, "sending a mail failed", "delivery", d.ID, "error", err)
	var refused *mail.SendError
	if !errors.As(err, &refused) || refused.ErrorCode() == 0 {
		// Connection, certificate or password: only the operator can fix it.
		return result{problem: "mail server unavailable"}
	}
	r := result{status: refused.ErrorCode(), problem: fmt.Sprintf("mail server responded with %d", refused.ErrorCode())}
	r.final = r.status >= 500 // RFC 5321 section 4.2.1: permanent negative completion
	return r
}
