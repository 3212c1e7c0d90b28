package mongostore

import (
	"context"
	"log/slog"

	"go.mongodb.org/mongo-driver/v2/event"
)

// unknown is the kind of a server that does not respond.
const unknown = "Unknown"

// newMonitor logs when a server becomes unavailable and when it is available
// again.
func newMonitor(ctx context.Context, log *slog.Logger) *event.ServerMonitor {
	return &event.ServerMonitor{
		ServerDescriptionChanged: func(e *event.ServerDescriptionChangedEvent) {
			was, is := e.PreviousDescription, e.NewDescription
			switch {
			case was.Kind != unknown && is.Kind == unknown:
				log.WarnContext(ctx, "MongoDB server unavailable", "server", e.Address.String())
			case was.Kind == unknown && is.Kind != unknown:
				log.InfoContext(ctx, "MongoDB server available", "server", e.Address.String(), "kind", is.Kind)
			}
		},
	}
}
