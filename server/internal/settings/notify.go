package settings

import (
	"fmt"
	"net"
	"net/mail"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/sx"
)

// How a mail server is spoken to.
const (
	SMTPStartTLS = "starttls" // encrypted from its first command on, or not at all
	SMTPTLS      = "tls"      // encrypted from the start
	SMTPNone     = "none"     // not encrypted
)

// Notify is what an operator says about notifications: the same in the notifier
// and in sxd.
type Notify struct {
	// Networks are the private networks that webhooks may reach.
	Networks Networks
	Mail     Mail

	passwordFile string
}

// Mail is the mail server and how to send by it. Without Addr no mail is sent.
type Mail struct {
	Addr           string // host:port
	Security       string // SMTPStartTLS, SMTPTLS or SMTPNone
	User, Password string // "" for a server that does not ask
	From           string // the sender, such as: SoundExtract <noreply@example.org>
}

// Add adds the flags.
func (n *Notify) Add(flags *pflag.FlagSet) {
	flags.Var(&n.Networks, "webhook-networks", "private networks that webhooks may reach, such as 10.0.0.0/8,fd00::/8")
	flags.StringVar(&n.Mail.Addr, "smtp-addr", "", "`host:port` of the mail server; without it no mail is sent")
	flags.StringVar(&n.Mail.Security, "smtp-security", SMTPStartTLS, "starttls, tls or none")
	flags.StringVar(&n.Mail.User, "smtp-user", "", "`name` to sign in with at the mail server")
	flags.StringVar(&n.passwordFile, "smtp-password-file", "", "`file` that holds the password for the mail server")
	flags.StringVar(&n.Mail.From, "smtp-from", "", "the sender's `address`, such as: SoundExtract <noreply@example.org>")
}

// Check reads the password's file and finds what is wrong. The error names the
// setting and its variable, which begins with prefix.
func (n *Notify) Check(prefix string) error {
	m := &n.Mail
	bad := func(setting, why string, args ...any) *sx.Error { return Bad(prefix, setting, why, args...) }
	if n.passwordFile != "" {
		raw, err := os.ReadFile(n.passwordFile)
		if err != nil {
			return bad("smtp-password-file", "%v", err)
		}
		if m.Password = strings.TrimSpace(string(raw)); m.Password == "" {
			return bad("smtp-password-file", "%s is empty", n.passwordFile)
		}
	}
	switch m.Security {
	case SMTPStartTLS, SMTPTLS, SMTPNone:
	default:
		return bad("smtp-security", "%q is not starttls, tls or none", m.Security)
	}
	if m.Addr == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(m.Addr)
	if number, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || number == 0 || host == "" {
		return bad("smtp-addr", "%q is not host:port", m.Addr)
	}
	if (m.User == "") != (m.Password == "") {
		return bad("smtp-user", "a name needs a password and a password needs a name").
			WithHint("give both --smtp-user and --smtp-password-file, or neither")
	}
	if m.From == "" {
		return bad("smtp-from", "it is not given")
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		return bad("smtp-from", "%q is not an address", m.From)
	}
	return nil
}

// Bad is the error of a setting that is wrong: why says what is wrong with it.
func Bad(prefix, setting, why string, args ...any) *sx.Error {
	return sx.NewError(sx.CodeInvalid, "the setting %s is wrong: %s", setting, fmt.Sprintf(why, args...)).
		WithHint("give --%s or %s another value", setting, Variable(prefix, setting))
}
