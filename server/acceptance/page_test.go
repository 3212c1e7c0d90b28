package acceptance_test

import (
	"testing"

	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/stack"
)

// TestPage uses the web page of the four services in Chromium.
func TestPage(t *testing.T) {
	parallel(t)
	programs(t)
	testkit.Need(t, "ffmpeg")
	s := stack.Start(t, stack.Config{Bin: bin})
	b := chromium.NewTab(t, s.Gateways[0].URL())
	b.Register("ada")
	b.Story()
}
