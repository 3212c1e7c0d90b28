// Package page is the web page: files that browsers use as they are, embedded in the
// program. It has no data of its own; the page's scripts use the API.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed files
var embedded embed.FS

// contentSecurityPolicy permits nothing but the page's own files and the API. The page
// needs no inline code, and no text ever becomes HTML (Trusted Types): the only policy gives
// the address of the worker that takes the audio out of videos. Its program is WebAssembly.
const contentSecurityPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; media-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types audio-worker"

// permissions switches off what the page does not use.
const permissions = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

// indexFile is served at /, and the other files at /page/.
const indexFile = "index.html"

// Mount serves the page at / and its files below /page/.
func Mount(mux *http.ServeMux) {
	for name, f := range load() {
		pattern := "GET /page/" + name
		if name == indexFile {
			pattern = "GET /{$}"
		}
		mux.Handle(pattern, f)
	}
	mountAudio(mux)
}

// file is one of the page's files.
type file struct {
	content   []byte
	mediaType string
	etag      string
}

// load reads the embedded files, by their paths.
func load() map[string]file {
	files := map[string]file{}
	root, _ := fs.Sub(embedded, "files") // the path is valid
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		sum := sha256.Sum256(content)
		files[name] = file{content, mediaType(name), `"` + hex.EncodeToString(sum[:16]) + `"`}
		return err
	})
	if err != nil {
		panic(err) // embedded files can be read
	}
	return files
}

// mediaType does not depend on the machine's tables, as package mime does.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		panic("the page has a file of an unknown type: " + name) // a test serves all of them
	}
}

func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeader(w.Header(), f.mediaType, f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// setHeader sets what all files of the page have.
func setHeader(h http.Header, mediaType, etag string) {
	h.Set("Content-Type", mediaType)
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	// All files are of one release, so each is compared with the server's before it is used.
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", etag)
}
