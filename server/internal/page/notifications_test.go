package page_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestNotificationStory confirms a mail address, adds a webhook, and sees what was delivered to
// both and what was not.
func TestNotificationStory(t *testing.T) {
	t.Parallel()
	mails := serveMail(t)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(receiver.Close)
	server := gateway.New(t, func(s *gateway.Server) {
		s.Notify = &notifier.Settings{
			Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			Mail:     notifier.Mail{Addr: mails.addr, Security: notifier.SMTPNone, From: "noreply@example.org"},
		}
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	b.Click("Notifications")
	b.See("main", "No notifications are sent by e-mail.")
	b.FillIn("Address", "anna@example.org")
	b.Click("Send a code")
	b.See("main", "A code was sent to anna@example.org.")
	b.FillIn("Code from the e-mail", "00000000")
	b.Click("Confirm the address")
	b.See(".error", "Error: ")
	b.FillIn("Code from the e-mail", mails.code(t))
	b.Click("Confirm the address")
	b.See("main", "Notifications go to anna@example.org.")

	b.FillIn("URL", receiver.URL+"/hook")
	b.Click("Add a webhook")
	b.See(".notice code", "whsec_")
	b.FillIn("URL", receiver.URL+"/broken")
	b.Click("Add a webhook")
	b.See("li", receiver.URL+"/broken")
	b.See("#deliveries ~ div", "There are no deliveries.")
	b.Click("Send a test")
	b.See("#live", "2 of 3 test notifications delivered.")
	b.See("tr", "anna@example.org\tdelivered")
	b.See("tr", receiver.URL+"/hook\tdelivered")
	b.See("tr", "418")
	inspect(t, b, "notifications")

	b.Click("Remove " + receiver.URL + "/broken")
	b.Confirm()
	b.Gone("li", receiver.URL+"/broken")
	b.Click("Remove the address")
	b.See("main", "No notifications are sent by e-mail.")

	b.Reload()
	b.See("td", receiver.URL+"/broken") // what was sent stays listed
}

// mailbox is a mail server that keeps what it receives.
type mailbox struct {
	addr     string
	received chan string
}

func serveMail(t *testing.T) *mailbox {
	t.Helper()
	m := &mailbox{received: make(chan string, 10)}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return mailSession{m}, nil }))
	server.Domain = "localhost"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = listener.Addr().String()
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return m
}

// code returns the code of the next mail.
func (m *mailbox) code(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`\b[0-9]{8}\b`).FindString(<-m.received)
	if found == "" {
		t.Fatal("the mail has no code")
	}
	return found
}

type mailSession struct{ mailbox *mailbox }

func (mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (mailSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (mailSession) Reset()                               {}
func (mailSession) Logout() error                        { return nil }

func (s mailSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	s.mailbox.received <- string(content)
	return err
}
