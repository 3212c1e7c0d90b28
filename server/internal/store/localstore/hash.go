package localstore

import (
	"crypto/sha256"
	"encoding"
	"fmt"
	"hash"
)

// digest is a SHA-256 that can be put aside and storedBytes up again.
type digest interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

func newHash() digest { return sha256.New().(digest) }

func marshal(d digest) ([]byte, error) {
	state, err := d.AppendBinary(nil)
	if err != nil {
		return nil, fmt.Errorf("putting the digest's state aside: %w", err)
	}
	return state, nil
}

func unmarshal(state []byte) (digest, error) {
	d := newHash()
	if err := d.UnmarshalBinary(state); err != nil {
		return nil, fmt.Errorf("taking the digest's state up again: %w", err)
	}
	return d, nil
}
