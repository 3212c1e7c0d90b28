// Package tus implements a client of the upload protocol tus 1.0.0
// (https://tus.io/protocols/resumable-upload), and defines the protocol's names for
// the client and the gateway.
package tus

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// Version is the protocol version, sent as HeaderResumable with every request and
// response except OPTIONS requests.
const Version = "1.0.0"

// ContentType is the media type of the body of a PATCH request, and of a POST
// request that contains the first bytes.
const ContentType = "application/offset+octet-stream"

// The headers of the protocol and of its extensions creation, creation-with-upload,
// expiration and termination.
const (
	HeaderResumable      = "Tus-Resumable"
	HeaderVersion        = "Tus-Version"   // versions that the server supports
	HeaderExtension      = "Tus-Extension" // extensions that the server supports
	HeaderMaxSize        = "Tus-Max-Size"  // bytes
	HeaderUploadLength   = "Upload-Length" // bytes
	HeaderUploadOffset   = "Upload-Offset" // bytes that the server has stored
	HeaderUploadMetadata = "Upload-Metadata"
	HeaderUploadExpires  = "Upload-Expires" // HTTP date (RFC 9110 section 5.6.7)
)

// EncodeMetadata returns the value of HeaderUploadMetadata.
func EncodeMetadata(metadata map[string]string) string {
	pairs := make([]string, 0, len(metadata))
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		pairs = append(pairs, key+" "+base64.StdEncoding.EncodeToString([]byte(metadata[key])))
	}
	return strings.Join(pairs, ",")
}

// DecodeMetadata parses the value of HeaderUploadMetadata: pairs of a key and
// its base64-encoded value, which may be missing, separated by commas. Its
// error is an *sx.Error of code invalid.
func DecodeMetadata(header string) (map[string]string, error) {
	metadata := map[string]string{}
	if strings.TrimSpace(header) == "" {
		return metadata, nil
	}
	for pair := range strings.SplitSeq(header, ",") {
		key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if _, twice := metadata[key]; err != nil || key == "" || twice {
			return nil, sx.NewError(sx.CodeInvalid, "malformed %s header: %q", HeaderUploadMetadata, strings.TrimSpace(pair))
		}
		metadata[key] = string(value)
	}
	return metadata, nil
}
