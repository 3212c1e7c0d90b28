// Command auth is the service that keeps accounts and signs people in and out.
// Only the gateways of the same installation should be able to reach it.
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
	folder := p.Flags.String("keys", "keys", "`folder` of the signing keys; one is made in it if there is none")
	registration := auth.RegistrationOpen
	p.Flags.Var(&registration, "registration", "who may make an account: open, invitation or closed")
	admin := p.Flags.String("admin", "", "`name` of the account that administers; only --admin-code makes it")
	code := p.Secret("admin-code", "`code` for: sx register ADMIN --invitation CODE")
	var signer *token.Signer
	p.Check = func() error {
		keys, err := token.LoadKeys(*folder, time.Now())
		if err != nil {
			return service.Invalid("keys", "%v", err).WithHint("%s", sx.AsError(err).Hint).WithCause(err)
		}
		if signer, err = token.NewSigner(keys, time.Now); err != nil {
			return err
		}
		return checkAdmin(admin, *code)
	}
	return p.Main(context.Background(), os.Args[1:], func(_ context.Context, parts service.Parts) (service.Service, error) {
		s, err := auth.New(auth.Config{
			Users: parts.Store.Users, Sessions: parts.Store.Sessions,
			Invitations: parts.Store.Invitations, PersonalTokens: parts.Store.PersonalTokens, Signer: signer,
			Registration: registration, Admin: *admin, AdminCode: *code,
			Log: parts.Log, Now: time.Now, Registerer: parts.Registry, TrustForwarded: true,
		})
		if err != nil {
			return service.Service{}, err
		}
		return service.Service{Handler: s.Handler(), Run: s.Run}, nil
	})
}
