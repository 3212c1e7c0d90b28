package gateway

import (
	"strconv"

	tusd "github.com/tus/tusd/v2/pkg/handler"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// readMetadata takes the file's name and the options from an upload's metadata;
// keys that are not known are ignored. Errors are of code invalid.
func readMetadata(meta tusd.MetaData) (name string, o sx.Options, err error) {
	if meta[api.MetaFilename] == "" {
		return "", o, sx.NewError(sx.CodeInvalid, "the upload has no file name").
			WithHint("send it base64-encoded in Upload-Metadata, under the key %s", api.MetaFilename)
	}
	o.Preset, o.Track = sx.Preset(meta[api.MetaPreset]), meta[api.MetaTrack]
	if v := meta[api.MetaBitrate]; v != "" {
		if o.Bitrate, err = strconv.Atoi(v); err != nil {
			return "", o, badValue(api.MetaBitrate, v, "a number of kbit/s")
		}
	}
	if v := meta[api.MetaQuality]; v != "" {
		q, err := strconv.Atoi(v)
		if err != nil {
			return "", o, badValue(api.MetaQuality, v, "a number from 0 to 9")
		}
		o.Quality = &q
	}
	switch v := meta[api.MetaMono]; v {
	case "", "false":
	case "true":
		o.Mono = true
	default:
		return "", o, badValue(api.MetaMono, v, "true or false")
	}
	return sx.FileName(meta[api.MetaFilename]), o, o.Check()
}

func badValue(key, value, want string) error {
	return sx.NewError(sx.CodeInvalid, "%q cannot be the %s", value, key).WithHint("give %s", want)
}

// metadata is the reverse of readMetadata.
func metadata(j sx.Job) tusd.MetaData {
	meta := tusd.MetaData{api.MetaFilename: j.Video.Name}
	if j.Options.Preset != "" {
		meta[api.MetaPreset] = string(j.Options.Preset)
	}
	if j.Options.Bitrate != 0 {
		meta[api.MetaBitrate] = strconv.Itoa(j.Options.Bitrate)
	}
	if j.Options.Quality != nil {
		meta[api.MetaQuality] = strconv.Itoa(*j.Options.Quality)
	}
	if j.Options.Mono {
		meta[api.MetaMono] = "true"
	}
	if j.Options.Track != "" {
		meta[api.MetaTrack] = j.Options.Track
	}
	return meta
}
