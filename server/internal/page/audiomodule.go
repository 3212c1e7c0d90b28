package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"
)

// built contains the readers of audio, compiled to WebAssembly, and Go's support for them,
// both compressed by make wasm. A program that was built without it has none, and its page
// sends whole files.
//
//go:embed all:audio
var built embed.FS

// mountAudio serves the readers at /page/audio/.
func mountAudio(mux *http.ServeMux) {
	for name, mediaType := range map[string]string{"audio.wasm": "application/wasm", "wasm_exec.js": mediaType(".js")} {
		content, err := built.ReadFile("audio/" + name + ".gz")
		if err != nil {
			continue // not built
		}
		sum := sha256.Sum256(content)
		mux.Handle("GET /page/audio/"+name, compressed{content, mediaType, `"` + hex.EncodeToString(sum[:16]) + `"`})
	}
}

// compressed is a file whose content is compressed with gzip.
type compressed file

func (f compressed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeader(w.Header(), f.mediaType, f.etag)
	w.Header().Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
		return
	}
	w.Header().Del("ETag") // it is that of the other form
	if plain, err := gzip.NewReader(bytes.NewReader(f.content)); err == nil {
		_, _ = io.Copy(w, plain)
	}
}
