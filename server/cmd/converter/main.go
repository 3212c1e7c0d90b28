// Command converter runs the converter service: it converts videos with ffmpeg. Any
// number of instances run side by side.
package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/service"
)

func main() { os.Exit(run()) }

func run() int {
	p := service.New("converter", "127.0.0.1:8742", os.Stdout, os.Stderr).WithBus()
	var flags converter.Flags
	var load converter.Load
	flags.Add(p.Flags)
	temp := p.Flags.String("temp", filepath.Join(os.TempDir(), "soundextract-converter"),
		"`directory` for temporary files, used by this instance only")
	p.Check = func() error {
		var err error
		if load, err = flags.Load(service.EnvPrefix); err != nil {
			return err
		}
		return p.LockDirectory("temp", *temp)
	}
	return p.Main(context.Background(), os.Args[1:], func(ctx context.Context, deps service.Dependencies) (service.Service, error) {
		transcoder, err := ffmpeg.New(ctx, ffmpeg.Config{TempDir: *temp, Encoders: load.Encoders, Log: deps.Log, Registerer: deps.Registry})
		if err != nil {
			return service.Service{}, err
		}
		s := converter.New(converter.Config{
			Updater: deps.Updater, Bus: deps.Bus, Videos: deps.Store.Videos, Tracks: deps.Store.Tracks,
			Transcoder: transcoder, Conversions: load.Conversions,
			Log: deps.Log, Now: time.Now, Registerer: deps.Registry,
		})
		return service.Service{Run: s.Run}, nil
	})
}
