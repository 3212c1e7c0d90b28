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
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/service"
	"github.com/soundextract/sx/server/internal/settings"
	"github.com/soundextract/sx/server/internal/space"
	"github.com/soundextract/sx/server/internal/storebackup"
	"github.com/soundextract/sx/server/internal/token"
)

// drainTimeout is how long downloads may continue once the program was told to stop. The
// chart's grace period for the gateway is longer.
const drainTimeout = 5 * time.Minute

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) > 1 && os.Args[1] == "backup" {
		return backup(context.Background(), os.Args[2:])
	}
	var reserve settings.Bytes
	var flags gateway.Flags
	var limits gateway.Settings
	p := service.New("gateway", "127.0.0.1:8740", os.Stdout, os.Stderr).WithBus()
	address := p.Flags.String("auth-url", "http://127.0.0.1:8741", "`URL` of the auth service")
	notifierAddress := p.Flags.String("notifier-url", "http://127.0.0.1:8743", "`URL` of the notifier")
	p.Public, p.DrainTimeout = true, drainTimeout
	flags.Add(p.Flags)
	p.Flags.Var(&reserve, "reserve", "free space on MongoDB's volume that new uploads leave, such as 10GiB; without it, 15 % of the volume, at most 20 GiB")
	hops := p.Flags.Int("trusted-hops", 0, "`number` of proxies in front of the gateway, each of which appends its client's address to X-Forwarded-For")

	transport := p.Transport()
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
		if *hops == 0 { // otherwise the clients are proxies
			p.MaxPerAddress = httpserver.ClientConnections
		}
		if limits, err = flags.Settings(service.EnvPrefix); err != nil {
			return err
		}
		keys = token.FetchURL(&http.Client{Transport: transport}, authURL.JoinPath(api.PathKeys).String())
		p.Ready["auth"] = service.ReadyCheck("auth", transport, authURL)
		return nil
	}
	return p.Main(context.Background(), os.Args[1:], func(ctx context.Context, deps service.Dependencies) (service.Service, error) {
		keep := space.Share
		if p.Flags.Changed("reserve") {
			keep = space.Fixed(int64(reserve))
		}
		monitor := space.New(space.Config{
			Space: deps.Store.Space, Tasks: deps.Store.Tasks, Reserve: keep,
			Log: deps.Log, Now: time.Now, Registerer: deps.Registry,
		})
		storebackup.Register(ctx, deps.Store.Tasks, deps.Registry)
		s := gateway.New(gateway.Config{
			Updater: deps.Updater, Jobs: deps.Store.Jobs, Videos: deps.Store.Videos, Tracks: deps.Store.Tracks, Conversions: deps.Store.Conversions, IdempotencyKeys: deps.Store.IdempotencyKeys, Feeds: deps.Store.Feeds, Tasks: deps.Store.Tasks, Limits: deps.Store.Limits, Erasures: deps.Store.Erasures,
			Space: monitor, Bus: deps.Bus, AuthURL: authURL, AuthTransport: transport, Verify: token.NewVerifier(keys, time.Now).Verify,
			NotifierURL: notifierURL, NotifierTransport: transport,
			TrustedHops: *hops, Settings: limits,
			Log: deps.Log, Now: time.Now, Registerer: deps.Registry,
		})
		return service.Service{Handler: s.Handler(), Run: s.Run}, nil
	})
}
