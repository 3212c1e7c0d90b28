// Package digest computes SHA-256 digests that can be suspended and resumed, so
// that an upload that continues after a restart is not read twice.
package digest

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
)

// SHA256 is a running SHA-256 digest (FIPS 180-4). It is not safe for
// concurrent use.
type SHA256 struct{ hash resumable }

type resumable interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// New returns the digest of no bytes.
func New() *SHA256 { return &SHA256{sha256.New().(resumable)} }

// Resume returns a digest that continues from a saved State.
func Resume(state []byte) (*SHA256, error) {
	d := New()
	if err := d.hash.UnmarshalBinary(state); err != nil {
		return nil, fmt.Errorf("resume the SHA-256 digest: %w", err)
	}
	return d, nil
}

// Write adds p to the digest. It never fails.
func (d *SHA256) Write(p []byte) (int, error) { return d.hash.Write(p) }

// State returns what Resume needs to continue from here.
func (d *SHA256) State() ([]byte, error) {
	state, err := d.hash.AppendBinary(nil)
	if err != nil {
		return nil, fmt.Errorf("save the SHA-256 digest: %w", err)
	}
	return state, nil
}

// Hex returns the digest of all bytes written so far, in lower-case hex.
func (d *SHA256) Hex() string { return hex.EncodeToString(d.hash.Sum(nil)) }
