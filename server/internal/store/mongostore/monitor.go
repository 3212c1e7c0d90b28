package mongostore

import (
	"context"
	"log/slog"

	"go.mongodb.org/mongo-driver/v2/event"
)

// unknown is the kind of a server that does not answer.
const unknown = "Unknown"

// newMonitor logs when a server goes away and when it is back.
func newMonitor(ctx context.Context, log *slog.Logger) *event.ServerMonitor {
	return &event.ServerMonitor{
		ServerDescriptionChanged: func(e *event.ServerDescriptionChangedEvent) {
			was, is := e.PreviousDescription, e.NewDescription
			switch {
			case was.Kind != unknown && is.Kind == unknown:
				log.WarnContext(ctx, "MongoDB is away", "server", e.Address.String())
			case was.Kind == unknown && is.Kind != unknown:
				log.InfoContext(ctx, "MongoDB is there", "server", e.Address.String(), "kind", is.Kind)
			}
		},
	}
}
