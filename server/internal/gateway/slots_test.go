package gateway_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestSimultaneousUploads checks that 16 uploads of an account send at the same time, that
// another one is refused and continues later, and that other accounts are not affected.
func TestSimultaneousUploads(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const most, size, sent = 16, 100_000, 50_000
	var paths []string
	var running []<-chan answer
	for i := range most {
		path := f.create(alice, fmt.Sprintf("%d.mp4", i), size)
		paths = append(paths, path)
		running = append(running, f.slowPatch(path, 0, video(uint64(i), size)[:sent]))
	}
	data := video(most, size)
	late := f.create(alice, "late.mp4", size)
	refused := f.patch(alice, late, 0, data)
	refused.wantCode(t, sx.CodeTooManyRequests)
	if wait := refused.header.Get("Retry-After"); wait != "5" {
		t.Errorf("Retry-After is %q, want 5", wait)
	}
	if offset := f.offset(alice, late); offset != 0 {
		t.Errorf("%d bytes of the refused request are stored", offset)
	}
	f.patch(bob, f.create(bob, "b.mp4", size), 0, data).want(t, http.StatusNoContent)

	// HEAD ends the older request for the same upload, which makes room.
	f.offset(alice, paths[0])
	(<-running[0]).wantCode(t, sx.CodeOffsetConflict)
	testkit.Eventually(t, "room for another upload", func() bool { return f.patch(alice, late, 0, data).status == http.StatusNoContent })
	if j := f.job(idOf(late)); j.Sent.SHA256 != digest(data) {
		t.Errorf("the digest is %q, want %s", j.Sent.SHA256, digest(data))
	}
	for i := 1; i < most; i++ {
		f.offset(alice, paths[i])
		(<-running[i]).wantCode(t, sx.CodeOffsetConflict)
	}
}
