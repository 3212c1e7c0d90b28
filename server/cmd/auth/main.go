// Command auth runs the auth service: accounts and sessions. Only the gateway and the
// notifier of the same installation should be able to reach it.
package main

import (
	"context"
	"os"
	"time"

	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/service"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

func main() { os.Exit(run()) }

func run() int {
	p := service.New("auth", "127.0.0.1:8741", os.Stdout, os.Stderr)
	keyDir := p.Flags.String("keys", "keys", "`directory` of the signing keys; a key is created if there is none")
	registration := auth.RegistrationOpen
	p.Flags.Var(&registration, "registration", "who may create an account: open (everyone), invitation (with a code) or closed (no one)")
	admin := p.Flags.String("admin", "", "`name` of the administrator, whose account can be created only with --admin-code")
	code := p.Secret("admin-code", "invitation `code` with which the administrator creates the account")
	test := p.Flags.String("test-account", "", "`name` of an account for tests of the installation, which can be created only with --test-account-code")
	testCode := p.Secret("test-account-code", "invitation `code` with which the test account is created")
	passwords := p.Flags.Bool("passwords", true, "accounts may have passwords; without, only those of --admin and --test-account do")
	oidc := addOIDC(p.Flags)
	clientSecret := p.Secret("oidc-client-secret", "`secret` that the provider has given this installation; empty for a public client")
	var signer *token.Signer
	p.Check = func() error {
		keys, err := token.LoadKeys(*keyDir, time.Now())
		if err != nil {
			return service.Invalid("keys", "%v", err).WithHint("%s", sx.AsError(err).Hint).WithCause(err)
		}
		if signer, err = token.NewSigner(keys, time.Now); err != nil {
			return err
		}
		if err := checkAdmin(admin, *code); err != nil {
			return err
		}
		oidc.ClientSecret = *clientSecret
		return checkOIDC(*oidc, *passwords)
	}
	return p.Main(context.Background(), os.Args[1:], func(_ context.Context, deps service.Dependencies) (service.Service, error) {
		s, err := auth.New(auth.Config{
			Users: deps.Store.Users, Sessions: deps.Store.Sessions,
			Invitations: deps.Store.Invitations, Bindings: deps.Store.Bindings, PersonalTokens: deps.Store.PersonalTokens, Audit: deps.Store.Audit, Limits: deps.Store.Limits, Erasures: deps.Store.Erasures, Tasks: deps.Store.Tasks, Format: deps.Store.Format, Signer: signer,
			Registration: registration, Admin: *admin, AdminCode: *code, TestAccount: *test, TestAccountCode: *testCode,
			OIDC: *oidc, NoPasswords: !*passwords,
			Log: deps.Log, Now: time.Now, Registerer: deps.Registry, TrustForwarded: true,
		})
		if err != nil {
			return service.Service{}, err
		}
		return service.Service{Handler: s.Handler(), Run: s.Run}, nil
	})
}
