package check

import (
	"context"
	"net/http"

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// The check of the free space, which a local server has too.
const (
	StorageID          = "disk-space"
	StorageDescription = "there is room for uploads"
)

// storage reads the metrics of a gateway.
func storage(ctx context.Context, env *Env) error {
	res, stop, err := env.get(ctx, "gateway", api.PathMetrics)
	if err != nil {
		return err
	}
	defer stop()
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return sx.NewError(sx.CodeUnavailable, "the gateway responded with %s instead of its metrics", res.Status)
	}
	s, err := client.ReadStorage(res.Body)
	switch {
	case err != nil:
		return err
	case s == nil:
		return Skip("", "MongoDB does not say how large its volume is")
	}
	if problem := s.Problem(); problem != "" {
		err := sx.NewError(sx.CodeStorageFull, "%s", problem).
			WithHint("enlarge the volume with --set mongodb.persistence.size=SIZE, or remove jobs; see who uses the space with: %s", nextcmd.Line("sx", "admin", "usage"))
		if s.Full() {
			return &severityOverride{err, Fatal}
		}
		return err
	}
	return Pass(StorageDescription + ": " + s.Describe())
}
