package root_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/install"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestCreateAdministrator checks that an install at a terminal ends with an administrator
// who is signed in and knows how to invite others.
func TestCreateAdministrator(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	acct, err := session.NewAccount("test", server.URL, session.OpenStore(t.TempDir(), nil), http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	password := func(context.Context) (string, error) { return "correct horse battery", nil }
	streams, screen := term.TestTerminal("", 80, 24)
	admin := installer.Administrator{Name: gateway.Admin, Code: gateway.AdminCode}
	if err := install.CreateAdministrator(t.Context(), streams, acct, admin, password); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Created account administrator and signed in", "sx convert VIDEO", "sx admin invite"} {
		if !strings.Contains(string(screen.Bytes()), want) {
			t.Errorf("the terminal shows no %q:\n%s", want, screen.Bytes())
		}
	}
	c, err := acct.Client()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Invite(t.Context(), api.NewInvitation{ExpiresIn: 3600}); err != nil {
		t.Errorf("the administrator cannot invite: %v", err)
	}
	if err := install.CreateAdministrator(t.Context(), streams, acct, admin, password); sx.CodeOf(err) != sx.CodeNameTaken {
		t.Errorf("a second time: %v", err)
	}
}
