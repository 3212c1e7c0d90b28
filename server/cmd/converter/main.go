// Command converter turns videos into tracks with ffmpeg. Any number of them
// work side by side.
package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/service"
)

func main() { os.Exit(run()) }

func run() int {
	p := service.New("converter", "127.0.0.1:8742", os.Stdout, os.Stderr).WithBus()
	slots := p.Flags.Int("conversions", max(1, runtime.NumCPU()), "conversions at once")
	temp := p.Flags.String("temp", filepath.Join(os.TempDir(), "soundextract-converter"),
		"`folder` of this converter alone, for MP3s before they are stored")
	p.Check = func() error {
		if *slots < 1 {
			return service.Invalid("conversions", "%d is less than 1", *slots)
		}
		return p.Own("temp", *temp)
	}
	return p.Main(context.Background(), os.Args[1:], func(ctx context.Context, parts service.Parts) (service.Service, error) {
		transcoder, err := ffmpeg.New(ctx, ffmpeg.Config{Log: parts.Log})
		if err != nil {
			return service.Service{}, err
		}
		s := converter.New(converter.Config{
			Updater: parts.Updater, Bus: parts.Bus, Videos: parts.Store.Videos, Tracks: parts.Store.Tracks,
			Transcoder: transcoder, Slots: *slots, TempDir: *temp,
			Log: parts.Log, Now: time.Now, Registerer: parts.Registry,
		})
		return service.Service{Run: s.Run}, nil
	})
}
