package digest_test

import (
	"testing"

	"github.com/soundextract/sx/server/digest"
)

// The digest of "abc" in FIPS 180-4's examples.
const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func TestResume(t *testing.T) {
	t.Parallel()
	d := digest.New()
	_, _ = d.Write([]byte("ab"))
	state, err := d.State()
	if err != nil {
		t.Fatal(err)
	}
	resumed, err := digest.Resume(state)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = d.Write([]byte("c"))
	_, _ = resumed.Write([]byte("c"))
	if d.Hex() != abc || resumed.Hex() != abc {
		t.Errorf("got %s, resumed %s", d.Hex(), resumed.Hex())
	}
	if _, err := digest.Resume(state[1:]); err == nil {
		t.Error("a damaged state was accepted")
	}
}
