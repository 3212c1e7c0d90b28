package settings

import "github.com/soundextract/sx/server/sx"

// Bytes is a flag value: a number of bytes such as 1048576, 1MiB or 4GB.
type Bytes int64

// Set parses a number with an optional decimal (kB, MB, …) or binary (KiB, MiB, …)
// unit.
func (b *Bytes) Set(s string) error {
	n, err := sx.ParseSize(s)
	if err == nil {
		*b = Bytes(n)
	}
	return err
}

// String formats the number in the largest binary unit that divides it.
func (b *Bytes) String() string { return sx.FormatExactSize(int64(*b)) }

// Type returns the placeholder of the value in the usage.
func (*Bytes) Type() string { return "size" }
