package storetest

import "github.com/soundextract/sx/server/internal/store/format"

// NextFormat returns a format after that of this release, for tests of upgrades: users have
// the field with their hash under another name.
func NextFormat(hash, renamed string) format.Format {
	rename := func(from, to string) format.Change {
		return func(kind string, doc map[string]any) {
			if v, ok := doc[from]; ok && kind == "users" {
				doc[to] = v
				delete(doc, from)
			}
		}
	}
	next := format.Current().Number + 1
	return format.Format{Number: next, Codec: func(n int) format.Codec {
		if n < next {
			return format.Codec{}
		}
		return format.Codec{Decode: rename(renamed, hash), Encode: rename(hash, renamed)}
	}}
}
