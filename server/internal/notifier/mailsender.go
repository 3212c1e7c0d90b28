package notifier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"

	mail "github.com/wneessen/go-mail"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// mailLimit bounds the way to being signed in at the mail server, and then the
// sending: twice that is tryLimit.
const mailLimit = tryLimit / 2

// newMailClient makes the client of a mail server, without a connection. With
// SMTPStartTLS a server that does not offer encryption gets nothing, and without
// encryption the password is not sent in plain, only in exchanges that do not
// reveal it.
func newMailClient(cfg Mail, roots *x509.CertPool) (*mail.Client, error) {
	host, portText, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("read the mail server's address: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("read the mail server's port: %w", err)
	}
	options := []mail.Option{
		mail.WithPort(port), mail.WithTimeout(mailLimit), mail.WithoutNoop(), mail.WithoutRset(),
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

// sendMail sends the delivery to its address, if that still is the user's.
func (s *Service) sendMail(ctx context.Context, c sx.NotificationSettings, d sx.Delivery) result {
	if s.mail == nil {
		return failed("this server sends no mail any more")
	}
	var l letter
	if d.Event == sx.EventConfirm {
		var in confirmation
		if err := json.Unmarshal(d.Payload, &in); err != nil {
			return failed("the message cannot be read")
		}
		if p := c.Pending; p == nil || p.Hash != token.Hash(in.Code) || !s.cfg.Now().Before(p.Expires) {
			return failed("the code is not good any more")
		}
		l = confirmLetter(in.Code)
	} else {
		var in api.WebhookEvent
		if err := json.Unmarshal(d.Payload, &in); err != nil {
			return failed("the message cannot be read")
		}
		if c.Email != d.Target {
			return failed("the address is not yours any more")
		}
		l = eventLetter(in)
	}
	message, err := s.message(d, l)
	if err != nil {
		return failed("the message cannot be written to this address")
	}
	return s.hand(ctx, message, d)
}

// message is the mail of a delivery. Its Message-ID is the delivery's, by which
// readers tell that a mail came twice.
func (s *Service) message(d sx.Delivery, l letter) (*mail.Msg, error) {
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
	m.Subject(l.subject)
	m.SetMessageIDWithValue(d.ID + "@" + domain)
	m.SetDateWithValue(d.Created)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's absence answers it
	text, html, err := l.parts()
	if err != nil {
		return nil, err
	}
	m.SetBodyString(mail.TypeTextPlain, text)
	m.AddAlternativeString(mail.TypeTextHTML, html)
	return m, nil
}

// hand gives the message to the mail server.
func (s *Service) hand(ctx context.Context, m *mail.Msg, d sx.Delivery) result {
	conn, err := s.mail.DialToSMTPClientWithContext(ctx)
	if err == nil {
		err = s.mail.SendWithSMTPClient(conn, m)
		_ = s.mail.CloseWithSMTPClient(conn) // once it has the message, it does not matter how it parts
	}
	if err == nil || m.IsDelivered() {
		return result{status: 250} // RFC 5321 section 4.2.3: done
	}
	s.cfg.Log.WarnContext(ctx, "mail server did not take a message", "delivery", d.ID, "error", err)
	var refused *mail.SendError
	if !errors.As(err, &refused) || refused.ErrorCode() == 0 {
		// Nothing that the user could heal: no connection, certificate, password.
		return result{problem: "mail server out of order"}
	}
	r := result{status: refused.ErrorCode(), problem: fmt.Sprintf("mail server answered %d", refused.ErrorCode())}
	r.final = r.status >= 500 // RFC 5321 section 4.2.1: the same again is answered the same way
	return r
}
