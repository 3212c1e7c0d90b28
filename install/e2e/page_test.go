//go:build e2e

package e2e

import (
	"context"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/soundextract/sx/server/testkit/chromium"
)

// TestPage uses the web page through an Ingress in Chromium. Browsers find names below
// localhost on this machine, so the controller must be reachable here.
func TestPage(t *testing.T) {
	controller := os.Getenv(envIngress)
	if controller == "" {
		t.Skipf("%s is not set", envIngress)
	}
	_, port, err := net.SplitHostPort(controller)
	if err != nil {
		t.Fatalf("%s: %v", envIngress, err)
	}
	const host = "e2e-page.localhost"
	o := newOperator(within(t, 10*time.Minute), t, "e2e-page")
	o.withoutAlarm(func() {
		o.sx(o.install("--preset", "quickstart", "--set", "gateway.ingress.enabled=true,gateway.ingress.host="+host)...)
	})
	o.eventually(o.ctx, "the controller serves the page", func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+controller+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	b := chromium.NewTab(t, "http://"+net.JoinHostPort(host, port))
	b.Open("#/register")
	b.See("h1", "Create an account")
	b.FillIn("Name", "ada")
	b.FillIn("Password", chromium.Password)
	b.FillIn("Invitation code", o.invitation())
	b.Click("Create the account")
	b.See("h1", "Jobs")
	b.Story()
}
