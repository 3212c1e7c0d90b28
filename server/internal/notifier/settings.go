package notifier

import (
	"net"
	"net/mail"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/settings"
	"github.com/soundextract/sx/server/sx"
)

// How a connection to the mail server is secured.
const (
	SMTPStartTLS = "starttls" // STARTTLS required: nothing is sent to a server that does not offer it
	SMTPTLS      = "tls"      // TLS from the first byte
	SMTPNone     = "none"     // not encrypted
)

// Settings are the operator's settings for notifications, the same in the
// notifier and in sxd.
type Settings struct {
	// Networks are the private networks that webhooks may reach.
	Networks []netip.Prefix
	Mail     Mail
}

// Mail is the mail server. Without Addr no mail is sent.
type Mail struct {
	Addr           string // host:port
	Security       string // SMTPStartTLS, SMTPTLS or SMTPNone
	User, Password string // "" for a server without authentication
	From           string // the sender, such as: SoundExtract <noreply@example.org>
}

// Flags are the flags of Settings.
type Flags struct {
	networks     settings.Networks
	mail         Mail
	passwordFile string
}

// Add adds the flags to a program's.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.Var(&f.networks, "webhook-networks", "private networks that webhooks may reach, such as 10.0.0.0/8,fd00::/8")
	flags.StringVar(&f.mail.Addr, "smtp-addr", "", "`host:port` of the mail server; without it no mail is sent")
	flags.StringVar(&f.mail.Security, "smtp-security", SMTPStartTLS,
		"encryption `mode`: starttls (required; nothing is sent if the server does not offer it), tls or none")
	flags.StringVar(&f.mail.User, "smtp-user", "", "user `name` for the mail server")
	flags.StringVar(&f.passwordFile, "smtp-password-file", "", "`file` that contains the password for the mail server")
	flags.StringVar(&f.mail.From, "smtp-from", "", "sender `address`, such as: SoundExtract <noreply@example.org>")
}

// Settings validates the flags and reads the password file. An error is an
// *sx.Error that names the setting and its variable, which starts with prefix.
func (f *Flags) Settings(prefix string) (Settings, error) {
	m := f.mail
	invalid := func(setting, reason string, args ...any) *sx.Error {
		return settings.Invalid(prefix, setting, reason, args...)
	}
	if f.passwordFile != "" {
		raw, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return Settings{}, invalid("smtp-password-file", "%v", err)
		}
		if m.Password = strings.TrimSpace(string(raw)); m.Password == "" {
			return Settings{}, invalid("smtp-password-file", "%s is empty", f.passwordFile)
		}
	}
	switch m.Security {
	case SMTPStartTLS, SMTPTLS, SMTPNone:
	default:
		return Settings{}, invalid("smtp-security", "%q is not starttls, tls or none", m.Security)
	}
	all := Settings{Networks: f.networks, Mail: m}
	if m.Addr == "" {
		return all, nil
	}
	host, port, err := net.SplitHostPort(m.Addr)
	if number, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || number == 0 || host == "" {
		return Settings{}, invalid("smtp-addr", "%q is not host:port", m.Addr)
	}
	if (m.User == "") != (m.Password == "") {
		return Settings{}, invalid("smtp-user", "--smtp-user and --smtp-password-file must be given together").
			WithHint("set both --smtp-user and --smtp-password-file, or neither")
	}
	if m.From == "" {
		return Settings{}, invalid("smtp-from", "required with --smtp-addr")
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		return Settings{}, invalid("smtp-from", "%q is not an e-mail address", m.From)
	}
	return all, nil
}
