package membus_test

import (
	"testing"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/bustest"
	"github.com/soundextract/sx/server/internal/bus/membus"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	bustest.Run(t, func(*testing.T) bus.Bus { return membus.New() })
}
