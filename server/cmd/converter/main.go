// Command converter runs the converter service: it converts videos with ffmpeg. Any
// number of instances run side by side.
package main

import (
	"context"
	"os"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/memory"
	"github.com/soundextract/sx/server/internal/sandbox"
	"github.com/soundextract/sx/server/internal/service"
)

func main() { os.Exit(run()) }

func run() int {
	p := service.New("converter", "127.0.0.1:8742", os.Stdout, os.Stderr).WithBus()
	var flags converter.Flags
	var load converter.Load
	var user converter.User
	var drain time.Duration
	flags.Add(p.Flags)
	p.Check = func() (err error) {
		if load, err = flags.Load(service.EnvPrefix); err != nil {
			return err
		}
		memory.SetForGo(load.Own)
		if drain, err = flags.Drain(service.EnvPrefix); err != nil {
			return err
		}
		user, err = flags.User(service.EnvPrefix)
		return err
	}
	return p.Main(context.Background(), os.Args[1:], func(ctx context.Context, deps service.Dependencies) (service.Service, error) {
		transcoder, err := ffmpeg.New(ctx, ffmpeg.Config{
			Encoders: load.Encoders, MaxData: load.Memory, Sandbox: sandbox.Config{UID: user.UID, GID: user.GID}, Log: deps.Log, Registerer: deps.Registry,
		})
		if err != nil {
			return service.Service{}, err
		}
		s := converter.New(converter.Config{
			Updater: deps.Updater, Bus: deps.Bus, Videos: deps.Store.Videos, Tracks: deps.Store.Tracks, Tasks: deps.Store.Tasks, Limits: deps.Store.Limits,
			Transcoder: transcoder, Conversions: load.Conversions, Drain: drain,
			Log: deps.Log, Now: time.Now, Registerer: deps.Registry,
		})
		return service.Service{Run: s.Run}, nil
	})
}
