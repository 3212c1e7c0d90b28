package notifier_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// startWithMail starts a notifier that uses the mail server.
func startWithMail(t *testing.T, m *mailServer, security string) *server {
	t.Helper()
	f := newFixture(t)
	cfg := f.config()
	cfg.Mail, cfg.Roots = m.config(security), m.roots
	return f.start(cfg)
}

var codePattern = regexp.MustCompile(`sx notify confirm ([0-9]{8})\b`)

// confirm sets and confirms an address of the user.
func (s *server) confirm(m *mailServer, user, address string) {
	s.t.Helper()
	if n, err := s.as(user).SetEmail(s.t.Context(), api.Email{Address: address}); err != nil || n.PendingEmail != address {
		s.t.Fatalf("got %+v, %v", n, err)
	}
	n, err := s.as(user).ConfirmEmail(s.t.Context(), api.EmailCode{Code: codeIn(s.t, m.next())})
	if err != nil || n.Email != address || n.PendingEmail != "" {
		s.t.Fatalf("got %+v, %v", n, err)
	}
}

func codeIn(t *testing.T, l receivedMail) string {
	t.Helper()
	found := codePattern.FindStringSubmatch(l.parts["text/plain"])
	if found == nil || !strings.Contains(l.parts["text/html"], found[0]) || !strings.Contains(l.subject, found[1]) {
		t.Fatalf("no code in %+v", l)
	}
	return found[1]
}

func TestMail(t *testing.T) {
	t.Parallel()
	for _, security := range []string{notifier.SMTPStartTLS, notifier.SMTPTLS} {
		t.Run(security, func(t *testing.T) {
			t.Parallel()
			m := serveMail(t, security, true)
			s := startWithMail(t, m, security)
			s.confirm(m, "ada", "ada@example.org")
			j := s.finishJob("ada", "Straße <b>\r\nBcc: eve@example.org.mp4", nil)
			l := m.next()
			if l.to != "ada@example.org" || l.from != "noreply@example.org" || l.user != mailUser || !l.encrypted {
				t.Errorf("the envelope is %+v", l)
			}
			if l.subject != "Straße <b>  Bcc: eve@example.org.mp4 is ready" || l.header.Get("Bcc") != "" ||
				l.header.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("the head is %v, subject %q", l.header, l.subject)
			}
			d := s.waitFor("ada", "it is delivered", in(sx.DeliveryDelivered))
			if got, want := l.header.Get("Message-Id"), "<"+sx.DeliveryID(j.ID, 1, "email")+"@example.org>"; got != want || d.ID+"@example.org" != want[1:len(want)-1] {
				t.Errorf("Message-ID %s, want %s", got, want)
			}
			text, html := l.parts["text/plain"], l.parts["text/html"]
			for _, want := range []string{"sx download " + j.ID, "1m1s", "1.2 MB", "sx notify"} {
				if !strings.Contains(text, want) || !strings.Contains(html, want) {
					t.Errorf("%q is not in\n%s\n%s", want, text, html)
				}
			}
			if strings.Contains(html, "<b>") || !strings.Contains(html, "&lt;b&gt;") {
				t.Errorf("the name is markup in\n%s", html)
			}
			j = s.finishJob("ada", "song.mp4", sx.NewError(sx.CodeNoAudio, "the video has no sound"))
			l = m.next()
			for _, want := range []string{"the video has no sound", sx.CodeNoAudio.Hint(), "sx show " + j.ID} {
				if !strings.Contains(l.parts["text/plain"], want) {
					t.Errorf("%q is not in\n%s", want, l.parts["text/plain"])
				}
			}
			m.wantNoMore()
		})
	}
}

// TestEncodedWordsInNames checks that what looks like an encoded word (RFC 2047) in the
// name of a video is shown as it is, not decoded.
func TestEncodedWordsInNames(t *testing.T) {
	t.Parallel()
	m := serveMail(t, notifier.SMTPStartTLS, true)
	s := startWithMail(t, m, notifier.SMTPStartTLS)
	s.confirm(m, "ada", "ada@example.org")
	for _, name := range []string{
		"=?utf-8?q?x?=", "a =?utf-8?q?x?= =?utf-8?b?eA==?=.mp4", strings.Repeat("ü", 50) + "=?utf-8?q?x?=.mp4",
	} {
		s.finishJob("ada", name, nil)
		l := m.next()
		if l.subject != name+" is ready" || strings.Contains(l.header.Get("Subject"), "=?utf-8?q?x?=") {
			t.Errorf("the subject is %q, sent as %q", l.subject, l.header.Get("Subject"))
		}
	}
}

func TestMailWithWarnings(t *testing.T) {
	t.Parallel()
	m := serveMail(t, notifier.SMTPStartTLS, true)
	s := startWithMail(t, m, notifier.SMTPStartTLS)
	s.confirm(m, "ada", "ada@example.org")
	s.finishJob("ada", "talk.mp4", nil, sx.NewWarning(sx.WarningTruncated, "the sound ends <b>early</b>\r\nBcc: eve"), sx.NewWarning(sx.WarningTags, "the cover is lost"))
	l := m.next()
	if l.subject != "talk.mp4 is ready, with warnings" {
		t.Errorf("subject %q", l.subject)
	}
	text, html := strings.ReplaceAll(l.parts["text/plain"], "\r\n", "\n"), l.parts["text/html"]
	if !strings.Contains(text, "\nWarning: the sound ends <b>early</b>  Bcc: eve\n") || !strings.Contains(text, "\nWarning: the cover is lost\n") ||
		!strings.Contains(html, "<p>Warning: the sound ends &lt;b&gt;early&lt;/b&gt;  Bcc: eve</p>") {
		t.Errorf("the mail is\n%s\n%s", text, html)
	}
}

func TestMailOfSeveral(t *testing.T) {
	t.Parallel()
	m := serveMail(t, notifier.SMTPStartTLS, true)
	s := startWithMail(t, m, notifier.SMTPStartTLS)
	s.confirm(m, "ada", "ada@example.org")
	s.finishJob("ada", "several.mp4", nil)
	text := strings.ReplaceAll(m.next().parts["text/plain"], "\r\n", "\n")
	for _, want := range []string{"The 2 MP3s of several.mp4 are ready.\n", "Length: 2m2s, size: 2.5 MB\n", "Download the MP3s with:"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the mail:\n%s", want, text)
		}
	}
	s.finishJob("ada", "large.mp4", nil)
	text = strings.ReplaceAll(m.next().parts["text/plain"], "\r\n", "\n")
	if !strings.Contains(text, "The 255 MP3s of large.mp4 are ready.\n") || strings.Contains(text, "Length:") {
		t.Errorf("the mail of a job with tracks that its event omits is\n%s", text)
	}
}

// TestMailWithoutEncryption checks that nothing is sent to a server without the
// required encryption, and that no password is sent unencrypted.
func TestMailWithoutEncryption(t *testing.T) {
	t.Parallel()
	for _, security := range []string{notifier.SMTPStartTLS, notifier.SMTPNone} {
		m := serveMail(t, notifier.SMTPNone, false)
		s := startWithMail(t, m, security)
		if _, err := s.as("ada").SetEmail(t.Context(), api.Email{Address: "ada@example.org"}); err != nil {
			t.Fatal(err)
		}
		if d := s.waitFor("ada", "the attempt has failed", failedAttempts(1)); d.State != sx.DeliveryPending {
			t.Errorf("%s: the delivery is %+v", security, d)
		}
		m.wantNoMore()
	}
	// Without a password, only the setting matters.
	m := serveMail(t, notifier.SMTPNone, false)
	for _, security := range []string{notifier.SMTPStartTLS, notifier.SMTPNone} {
		f := newFixture(t)
		cfg := f.config()
		cfg.Mail = notifier.Mail{Addr: m.addr, Security: security, From: mailFrom}
		s := f.start(cfg)
		if security == notifier.SMTPNone {
			s.confirm(m, "ada", "ada@example.org")
			continue
		}
		if _, err := s.as("ada").SetEmail(t.Context(), api.Email{Address: "ada@example.org"}); err != nil {
			t.Fatal(err)
		}
		s.waitFor("ada", "the attempt has failed", failedAttempts(1))
		m.wantNoMore()
	}
}

// TestOldCodeIsNotSent checks that a pending mail is not sent once there is a
// newer code.
func TestOldCodeIsNotSent(t *testing.T) {
	t.Parallel()
	m := serveMail(t, notifier.SMTPStartTLS, true)
	s := startWithMail(t, m, notifier.SMTPStartTLS)
	m.refuse.Store(&smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"})
	if _, err := s.as("ada").SetEmail(t.Context(), api.Email{Address: "ada@example.org"}); err != nil {
		t.Fatal(err)
	}
	s.waitFor("ada", "the attempt has failed", failedAttempts(1))
	m.refuse.Store(nil)
	if _, err := s.as("ada").SetEmail(t.Context(), api.Email{Address: "ada@example.org"}); err != nil {
		t.Fatal(err)
	}
	m.next()
	in := func(state sx.DeliveryState) func() bool {
		return func() bool {
			return slices.ContainsFunc(s.deliveries("ada"), func(d api.Delivery) bool { return d.State == state })
		}
	}
	all := func() any { return s.deliveries("ada") }
	// Without a recorded result, the mail would be sent again.
	testkit.Eventually(t, "the new one is recorded", in(sx.DeliveryDelivered), all)
	s.advance(2 * time.Minute)
	testkit.Eventually(t, "the old one has failed", in(sx.DeliveryFailed), all)
	m.wantNoMore()
}

func TestInvalidCertificate(t *testing.T) {
	t.Parallel()
	m := serveMail(t, notifier.SMTPTLS, true)
	_, m.roots = selfSigned(t)
	s := startWithMail(t, m, notifier.SMTPTLS)
	if _, err := s.as("ada").SetEmail(t.Context(), api.Email{Address: "ada@example.org"}); err != nil {
		t.Fatal(err)
	}
	s.waitFor("ada", "the attempt has failed", failedAttempts(1))
	m.wantNoMore()
}

func TestMailRetry(t *testing.T) {
	t.Parallel()
	m := serveMail(t, notifier.SMTPStartTLS, true)
	s := startWithMail(t, m, notifier.SMTPStartTLS)
	s.confirm(m, "ada", "ada@example.org")
	m.refuse.Store(&smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"})
	s.finishJob("ada", "talk.mp4", nil)
	d := s.waitFor("ada", "the attempt has failed", failedAttempts(1))
	if d.State != sx.DeliveryPending || d.LastStatus != 451 {
		t.Errorf("the delivery is %+v", d)
	}
	m.refuse.Store(nil)
	s.advance(2 * time.Minute)
	if l := m.next(); l.header.Get("Message-Id") != "<"+d.ID+"@example.org>" {
		t.Errorf("Message-ID %s", l.header.Get("Message-Id"))
	}
	s.waitFor("ada", "it is delivered", in(sx.DeliveryDelivered))
	m.refuse.Store(&smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"})
	s.finishJob("ada", "song.mp4", nil)
	if d := s.waitFor("ada", "it has failed", in(sx.DeliveryFailed)); d.LastStatus != 550 || d.Tries != 1 {
		t.Errorf("the delivery is %+v", d)
	}
	m.wantNoMore()
}

func TestConfirmation(t *testing.T) {
	t.Parallel()
	m := serveMail(t, notifier.SMTPStartTLS, true)
	s := startWithMail(t, m, notifier.SMTPStartTLS)
	ada := s.as("ada")
	ask := func() string {
		t.Helper()
		if _, err := ada.SetEmail(t.Context(), api.Email{Address: "ada@example.org"}); err != nil {
			t.Fatal(err)
		}
		return codeIn(t, m.next())
	}
	refused := func(code string) {
		t.Helper()
		if _, err := ada.ConfirmEmail(t.Context(), api.EmailCode{Code: code}); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("the code %s: %v", code, err)
		}
	}
	refused("12345678") // no pending address
	code := ask()
	s.waitForNotified(s.finishJob("ada", "talk.mp4", nil))
	m.wantNoMore()
	for range 5 {
		refused("x" + code)
	}
	refused(code) // too many wrong codes
	old := ask()
	s.advance(2 * time.Hour)
	refused(old) // expired
	old, code = ask(), ask()
	refused(old) // superseded
	if n, err := ada.ConfirmEmail(t.Context(), api.EmailCode{Code: " " + code + " "}); err != nil || n.Email != "ada@example.org" {
		t.Fatalf("got %+v, %v", n, err)
	}
	refused(code) // used
	s.finishJob("ada", "song.mp4", nil)
	m.next()
	// The previous address is used until the new one is confirmed.
	if n, err := ada.SetEmail(t.Context(), api.Email{Address: "new@example.org"}); err != nil || n.Email != "ada@example.org" {
		t.Fatalf("got %+v, %v", n, err)
	}
	m.next()
	s.finishJob("ada", "more.mp4", nil)
	if l := m.next(); l.to != "ada@example.org" {
		t.Errorf("sent to %s", l.to)
	}
	if err := ada.RemoveEmail(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.waitForNotified(s.finishJob("ada", "last.mp4", nil))
	m.wantNoMore()
	if n, err := ada.Notify(t.Context()); err != nil || n.Email != "" || n.PendingEmail != "" || !n.SendsEmail {
		t.Errorf("got %+v, %v", n, err)
	}
}

func TestInvalidAddresses(t *testing.T) {
	t.Parallel()
	m := serveMail(t, notifier.SMTPStartTLS, true)
	s := startWithMail(t, m, notifier.SMTPStartTLS)
	s.noon()
	for _, a := range []string{
		"", "ada", "ada@", "@example.org", "ada@example.org\r\nBcc: eve@example.org", "ada@example.org, eve@example.org",
		"Ada <ada@example.org>", `"a b"@example.org`, "ada@exa mple.org", "ada(x)@example.org", "ada@[127.0.0.1]",
		"ädä@example.org", strings.Repeat("a", 250) + "@example.org",
	} {
		if _, err := s.as("ada").SetEmail(t.Context(), api.Email{Address: a}); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("%q: %v, want code invalid", a, err)
		}
	}
	m.wantNoMore()
	for range 20 {
		if _, err := s.as("ada").SetEmail(t.Context(), api.Email{Address: "ada@example.org"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.as("ada").SetEmail(t.Context(), api.Email{Address: "ada@example.org"}); sx.CodeOf(err) != sx.CodeTooManyAttempts {
		t.Errorf("a code over the limit: %v", err)
	}
	f := newFixture(t)
	without := f.start(f.config())
	if _, err := without.as("ada").SetEmail(t.Context(), api.Email{Address: "ada@example.org"}); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("without a mail server: %v", err)
	}
}
