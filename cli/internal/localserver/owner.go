package localserver

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/soundextract/sx/server/api"
)

// maxToken bounds what is read of the file with the owner's token.
const maxToken = 256

// OwnerToken returns the token of the owner of the directory's running server, or "" if
// there is none that can be trusted: a link, or a file that other users can read or that
// is another user's, is not what sxd wrote.
func OwnerToken(dir string) string {
	path := filepath.Join(dir, api.OwnerTokenFile)
	named, err := os.Lstat(path)
	if err != nil || !named.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	opened, err := f.Stat()
	if err != nil || !os.SameFile(named, opened) || !private(opened) {
		return ""
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxToken))
	token := strings.TrimSpace(string(raw))
	if err != nil || !strings.HasPrefix(token, api.OwnerTokenPrefix) || strings.ContainsFunc(token, notInToken) {
		return ""
	}
	return token
}

// notInToken reports whether a character is in no token, so that a damaged file cannot
// make an invalid header.
func notInToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
}
