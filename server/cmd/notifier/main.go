// Command notifier tells owners how their jobs ended.
package main

import (
	"context"
	"os"
	"time"

	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/program"
)

// reconcile is the pause between two looks for notices whose doorbell got lost.
const reconcile = 5 * time.Second

func main() { os.Exit(run()) }

func run() int {
	p := program.New("notifier", "127.0.0.1:8743", os.Stdout, os.Stderr).WithBus()
	return p.Main(context.Background(), os.Args[1:], func(_ context.Context, parts program.Parts) (program.Service, error) {
		service := notifier.New(notifier.Config{
			Ledger: parts.Ledger, Bus: parts.Bus, Tell: notifier.LogNotices(parts.Log), Log: parts.Log, Reconcile: reconcile,
		})
		return program.Service{Run: service.Run}, nil
	})
}
