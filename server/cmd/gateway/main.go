// Command gateway runs the gateway service: the entry point of the API. Any number of
// instances run side by side behind a load balancer.
package main

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/service"
	"github.com/soundextract/sx/server/internal/settings"
	"github.com/soundextract/sx/server/internal/token"
)

func main() { os.Exit(run()) }

func run() int {
	var quota, maxUpload settings.Bytes
	p := service.New("gateway", "127.0.0.1:8740", os.Stdout, os.Stderr).WithBus()
	address := p.Flags.String("auth-url", "http://127.0.0.1:8741", "`URL` of the auth service")
	notifierAddress := p.Flags.String("notifier-url", "http://127.0.0.1:8743", "`URL` of the notifier")
	p.Flags.Var(&quota, "quota", "storage quota of an account, such as 50GiB; 0 means no limit")
	p.Flags.Var(&maxUpload, "max-upload", "maximum size of a video, such as 20GiB; 0 means no limit")
	hops := p.Flags.Int("trusted-hops", 0, "`number` of proxies in front of the gateway, each of which appends its client's address to X-Forwarded-For")

	transport := service.Transport()
	var authURL, notifierURL *url.URL
	var keys token.Fetch
	p.Check = func() (err error) {
		if *hops < 0 {
			return service.Invalid("trusted-hops", "%d is less than 0", *hops)
		}
		if authURL, err = service.ParseURL("auth-url", *address); err != nil {
			return err
		}
		if notifierURL, err = service.ParseURL("notifier-url", *notifierAddress); err != nil {
			return err
		}
		keys = token.FetchURL(&http.Client{Transport: transport}, authURL.JoinPath(api.PathKeys).String())
		p.Ready["auth"] = service.ReadyCheck("auth", transport, authURL)
		return nil
	}
	return p.Main(context.Background(), os.Args[1:], func(_ context.Context, deps service.Dependencies) (service.Service, error) {
		s := gateway.New(gateway.Config{
			Updater: deps.Updater, Jobs: deps.Store.Jobs, Videos: deps.Store.Videos, Tracks: deps.Store.Tracks, Conversions: deps.Store.Conversions,
			Bus: deps.Bus, AuthURL: authURL, AuthTransport: transport, Verify: token.NewVerifier(keys, time.Now).Verify,
			NotifierURL: notifierURL, NotifierTransport: transport,
			TrustedHops: *hops, Quota: int64(quota), MaxUpload: int64(maxUpload),
			Log: deps.Log, Now: time.Now, Registerer: deps.Registry,
		})
		return service.Service{Handler: s.Handler(), Run: s.Run}, nil
	})
}
