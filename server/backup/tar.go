package backup

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"

	"github.com/soundextract/sx/server/sx"
)

const (
	// MaxData is how many bytes an entry may have.
	MaxData = 4 << 20
	// maxName is the size of the field of a ustar header.
	maxName = 100
	block   = 512
)

// The fields of a ustar header (POSIX.1-2024, pax, "ustar Interchange Format"). What is
// not listed is NUL.
const (
	modeAt     = 100
	uidAt      = 108
	gidAt      = 116
	sizeAt     = 124
	mtimeAt    = 136
	checksumAt = 148
	typeAt     = 156
	magicAt    = 257
)

// trailer ends an archive.
var trailer = make([]byte, 2*block)

// validName matches only names that are the same on all systems and stay below the
// directory into which the archive is unpacked.
var validName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

func checkName(name string) error {
	if len(name) > maxName || !validName.MatchString(name) {
		return damaged("it has an entry named %q", sx.CleanLine(name, maxName))
	}
	return nil
}

// header returns the only header that an entry may have: a file that its owner may read
// and write, from 1970, so that the same data give the same archive.
func header(name string, size int) []byte {
	h := make([]byte, block)
	copy(h, name)
	copy(h[modeAt:], "0000600\x00")
	copy(h[uidAt:], "0000000\x00")
	copy(h[gidAt:], "0000000\x00")
	copy(h[sizeAt:], fmt.Sprintf("%011o\x00", size))
	copy(h[mtimeAt:], "00000000000\x00")
	h[typeAt] = '0'
	copy(h[magicAt:], "ustar\x0000")
	copy(h[checksumAt:], "        ") // it counts as spaces in the sum
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[checksumAt:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// parseHeader returns what a header says, if it has the form that header gives it.
func parseHeader(h []byte) (name string, size int, err error) {
	raw, _, _ := bytes.Cut(h[:maxName], []byte{0})
	name = string(raw)
	if err := checkName(name); err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(string(h[sizeAt:sizeAt+11]), 8, 32)
	if err != nil || n > MaxData || !bytes.Equal(h, header(name, int(n))) {
		return "", 0, damaged("the header of its entry %s is invalid", name)
	}
	return name, int(n), nil
}

// padding returns how many zeros follow the data of an entry.
func padding(size int) int { return -size & (block - 1) }

// damaged is the error of a stream that is not a complete, unchanged backup.
func damaged(format string, args ...any) *sx.Error {
	return sx.NewError(sx.CodeBackupDamaged, "the backup is damaged: %s", fmt.Sprintf(format, args...))
}
