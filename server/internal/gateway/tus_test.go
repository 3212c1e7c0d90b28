package gateway_test

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/token"
)

// meta returns an Upload-Metadata header of pairs of keys and values.
func meta(pairs ...string) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		parts = append(parts, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(parts, ",")
}

// video returns n bytes (at least 12) that start like an MP4, the same for each
// seed.
func video(seed uint64, n int) []byte {
	data := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = src.Read(data) // never fails
	copy(data, "\x00\x00\x00\x18ftypisom")
	return data
}

const octets = "application/offset+octet-stream"

// create starts an upload and returns its path.
func (f *fixture) create(user, name string, size int) string {
	f.t.Helper()
	a := f.do(user, http.MethodPost, api.PathUploads, nil,
		"Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(size), "Upload-Metadata", meta("filename", name))
	a.want(f.t, http.StatusCreated)
	return a.header.Get("Location")
}

// patch sends bytes at the offset.
func (f *fixture) patch(user, path string, offset int, data []byte) answer {
	f.t.Helper()
	return f.do(user, http.MethodPatch, path, bytes.NewReader(data),
		"Tus-Resumable", "1.0.0", "Content-Type", octets, "Upload-Offset", strconv.Itoa(offset))
}

// offset returns the upload's offset by a HEAD request.
func (f *fixture) offset(user, path string) int {
	f.t.Helper()
	a := f.do(user, http.MethodHead, path, nil, "Tus-Resumable", "1.0.0").want(f.t, http.StatusOK)
	n, err := strconv.Atoi(a.header.Get("Upload-Offset"))
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// upload uploads a video and returns its job's id.
func (f *fixture) upload(user, name string, data []byte) string {
	f.t.Helper()
	path := f.create(user, name, len(data))
	f.patch(user, path, 0, data).want(f.t, http.StatusNoContent)
	return idOf(path)
}

func idOf(path string) string { return strings.TrimPrefix(path, api.PathUploads) }

func jobPath(pattern, id string) string {
	prefix := api.SharePrefix
	if strings.HasPrefix(pattern, "/f/") {
		prefix = api.FeedPrefix
	}
	return strings.NewReplacer("{id}", id, "{number}", "1", "{job}", id, "{secret}", token.NewSecret(prefix, id)).Replace(pattern)
}
