package api

import (
	"strconv"

	"github.com/soundextract/sx/server/sx"
)

// UploadMetadata returns the metadata of an upload with the given file name and
// options. An option that has its default value is left out.
func UploadMetadata(name string, o sx.Options) map[string]string {
	meta := map[string]string{MetaFilename: name}
	if o.Preset != "" {
		meta[MetaPreset] = string(o.Preset)
	}
	if o.Bitrate != 0 {
		meta[MetaBitrate] = strconv.Itoa(o.Bitrate)
	}
	if o.Quality != nil {
		meta[MetaQuality] = strconv.Itoa(*o.Quality)
	}
	if o.Mono {
		meta[MetaMono] = "true"
	}
	if o.Track != "" {
		meta[MetaTrack] = o.Track
	}
	if o.KeepAllTags {
		meta[MetaKeepAllTags] = "true"
	}
	return meta
}
