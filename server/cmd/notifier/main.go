// Command notifier runs the notifier service: it notifies owners of finished jobs, by
// e-mail and webhooks.
package main

import (
	"context"
	"net/url"
	"os"
	"time"

	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/service"
)

// reconcileInterval is the interval between two checks for lost wake-up messages and due
// deliveries.
const reconcileInterval = 5 * time.Second

func main() { os.Exit(run()) }

func run() int {
	var notifyFlags notifier.Flags
	var notify notifier.Settings
	p := service.New("notifier", "127.0.0.1:8743", os.Stdout, os.Stderr).WithBus()
	address := p.Flags.String("auth-url", "http://127.0.0.1:8741", "`URL` of the auth service")
	notifyFlags.Add(p.Flags)

	transport := p.Transport()
	var authURL *url.URL
	p.Check = func() (err error) {
		if authURL, err = service.ParseURL("auth-url", *address); err != nil {
			return err
		}
		p.Ready["auth"] = service.ReadyCheck("auth", transport, authURL)
		notify, err = notifyFlags.Settings(service.EnvPrefix)
		return err
	}
	return p.Main(context.Background(), os.Args[1:], func(_ context.Context, deps service.Dependencies) (service.Service, error) {
		s, err := notifier.New(notifier.Config{
			Updater: deps.Updater, Bus: deps.Bus, NotificationSettings: deps.Store.NotificationSettings, Deliveries: deps.Store.Deliveries, Counters: deps.Store.Counters, Erasures: deps.Store.Erasures, Tasks: deps.Store.Tasks,
			AuthURL: authURL, AuthTransport: transport, Settings: notify,
			Log: deps.Log, Now: time.Now, ReconcileInterval: reconcileInterval, Registerer: deps.Registry,
		})
		if err != nil {
			return service.Service{}, err
		}
		return service.Service{Handler: s.Handler(), Run: s.Run}, nil
	})
}
